// System calls that fail as if the kernel lacked something: a filter of the calling thread makes
// them fail (seccomp(2)). The threads and processes that it starts inherit the filter, and no
// process can remove it.
//
// Needs no privilege. Where filters are forbidden, throws std::system_error.
#pragma once

#include <functional>
#include <thread>
#include <vector>

#include <sys/syscall.h>

namespace cpss::test {

// From now on each of `calls` (SYS_...) fails with `error` in this thread and in all that it
// starts.
void let_calls_fail(const std::vector<long>& calls, int error);

// Runs `body` on a thread that can start no thread and no process (EAGAIN). Rethrows what `body`
// throws.
void without_new_threads(const std::function<void()>& body);

}  // namespace cpss::test
