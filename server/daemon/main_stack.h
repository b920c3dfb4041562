// The stack of the main thread, which grows as it is used, up to the limit of the process
// (RLIMIT_STACK, getrlimit(2)).
#pragma once

#include <cstddef>
#include <string>

namespace cpss {

// Makes sure that the main thread, and the main thread of every process forked from it, may use
// `bytes` of stack: raises the limit if the process may. Throws std::runtime_error if it may not.
// `user`: for the message, who needs the stack. Main thread, before anything is started.
void require_main_stack(std::size_t bytes, const std::string& user);

}  // namespace cpss
