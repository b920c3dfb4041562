// A process that may only compute, use memory, write to one descriptor and end.
#pragma once

namespace cpss {

// From now on any other system call of this process kills it, by SIGSYS (seccomp(2)), and nothing
// can undo that. It cannot make memory executable either. `descriptor`: the one that it may write
// to. Returns false if the kernel refuses the filter, or a policy that confines this process does;
// then there is no filter. Returns true, too, if the kernel has no such filters
// (CONFIG_SECCOMP_FILTER), and in builds with sanitizers, which need more calls.
//
// For a process of one thread.
bool enter_sandbox(int descriptor);

}  // namespace cpss
