// The stack of the main thread, which grows as it is used, up to the limit of the process
// (RLIMIT_STACK, getrlimit(2)).
#pragma once

#include <cstddef>
#include <string>

namespace cpss {

// Makes sure that the main thread, and that of every process forked from it, may use `bytes` of
// stack: raises the limit where that is allowed. Throws std::runtime_error where it is not; `user`:
// who needs it, for the message. Main thread, before anything is started.
void require_main_stack(std::size_t bytes, const std::string& user);

}  // namespace cpss
