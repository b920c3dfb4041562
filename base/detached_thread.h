// A thread that is never joined and gets no signals: for work that may wait for ever (a pipe that
// no process reads, the kernel's tables) while its owner goes on, or ends.
#pragma once

#include <functional>

namespace cpss {

// Starts a thread, called `name` (at most 15 characters, with static storage), that runs `work` and
// ends. `work` owns all it uses: the caller may end before it does. It must not throw. All signals
// stay blocked in the thread: they are for the main thread, and a terminal with tostop does not
// stop a writer that blocks SIGTTOU (termios(3)). The thread has the caller's scheduling,
// credentials and capabilities, and a stack of 256 KiB independent of 'ulimit -s'. Returns 0, or
// why there is no thread (pthread_create(3)). Throws std::bad_alloc. Thread-safe.
[[nodiscard]] int start_detached_thread(const char* name, std::function<void()> work);

}  // namespace cpss
