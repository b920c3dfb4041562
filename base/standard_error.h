// A program's lines on standard error: only the writer's thread waits for them to be read.
#pragma once

#include <string_view>

#include "base/async_writer.h"

namespace cpss {

// The process's one writer of standard error, for the main thread. It lives as long as the process.
// A process made by fork(2) has none until it calls this; a process that must not have a second
// thread writes nothing. The first call starts the writer's thread, so the process first forks the
// children that must not have it.
// Throws std::bad_alloc, std::system_error.
AsyncWriter& standard_error();

// For a thread that has given up rights: the writer, if there is one, goes on in a new thread with
// the caller's rights. The old thread keeps its rights only until its last text is written.
// Throws as standard_error().
void give_up_rights_of_standard_error();

// At the end of a program: waits until the writer has written all its texts, a second at most. Does
// not start the writer if there is none.
void flush_standard_error() noexcept;

// For code that must not wait and has no writer: a thread that ends the process, a signal handler.
// Writes `text` by one write(2) if standard error has room within 0.1 s; else the text is lost. (A
// pipe with room has room for a line, PIPE_BUF, unless another process fills it at this moment.)
// Async-signal-safe.
void say_at_once(std::string_view text) noexcept;

}  // namespace cpss
