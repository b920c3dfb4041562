// A thread that nobody joins and no signal reaches: for work that may wait for ever (a pipe that
// nobody reads, the kernel's tables) while its owner goes on, or ends.
#pragma once

#include <functional>

namespace cpss {

// Starts a thread, called `name` (at most 15 characters, with static storage), that runs `work` and
// ends. `work` owns what it uses: the caller may be gone before it. It must not throw. All signals
// stay blocked in it: each is for the main thread, and a terminal with tostop stops nobody who
// blocks SIGTTOU (termios(3)). It has the caller's scheduling, credentials and capabilities, and a
// stack of 256 KiB whatever 'ulimit -s' says. Returns 0, or why there is none (pthread_create(3)).
// Throws std::bad_alloc. Thread-safe.
[[nodiscard]] int start_detached_thread(const char* name, std::function<void()> work);

}  // namespace cpss
