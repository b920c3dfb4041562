// What a program says on standard error: nobody waits for it to be read.
#pragma once

#include <string_view>

#include "base/async_writer.h"

namespace cpss {

// The process's one writer of standard error, for the main thread. It lives as long as the process.
// A process made by fork(2) has none until it calls this: one that is to have no second thread says
// nothing.
// The first call starts its thread: not before the process has forked what must not have one.
// Throws std::bad_alloc, std::system_error.
AsyncWriter& standard_error();

// After the calling thread has given up rights: the writer, if there is one, goes on in a thread
// that has no more. The one before keeps its rights for as long as a write of its last text takes.
// Throws as standard_error().
void give_up_rights_of_standard_error();

// At the end of a program: waits until what that writer was given is written, a second at most. If
// there is none it is not started.
void flush_standard_error() noexcept;

// For who must not wait and has no writer: a thread that ends the process, a signal's handler. In
// one write(2), if standard error has room within 0.1 s; else it is lost. (A pipe that has room has
// it for a line, PIPE_BUF, unless another process takes it in this moment.) Async-signal-safe.
void say_at_once(std::string_view text) noexcept;

}  // namespace cpss
