// A process that may only compute, use memory, write to one descriptor and end.
#pragma once

namespace cpss {

// From now on any other system call of this process kills it, by SIGSYS (seccomp(2)), and nothing
// can lift that. Memory that can be executed is not to be had either. `descriptor`: what it may
// write to. False: the kernel has refused, or whoever confines this process; nothing is changed.
// True, too, where the kernel has no such filters (CONFIG_SECCOMP_FILTER), and in builds with
// sanitizers, which need more calls.
//
// For a process of one thread.
bool enter_sandbox(int descriptor);

}  // namespace cpss
