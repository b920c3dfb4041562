// System calls that fail, as the kernel would let them fail for want of something: by a filter of
// the calling thread (seccomp(2)), which what it starts inherits and nobody can take away again.
//
// Needs no right. Where filters are forbidden, std::system_error.
#pragma once

#include <functional>
#include <thread>
#include <vector>

#include <sys/syscall.h>

namespace cpss::test {

// From now on each of `calls` (SYS_...) fails with `error` in this thread and in all that it
// starts.
void let_calls_fail(const std::vector<long>& calls, int error);

// Runs `body` on a thread for which there are no threads and processes to be had (EAGAIN). What it
// throws goes through.
void without_new_threads(const std::function<void()>& body);

}  // namespace cpss::test
