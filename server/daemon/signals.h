// What signals do to the server; docs/signals.md has the table.
//
// They are taken by the main thread and no other: blocked in all threads and processes, and waited
// for by the main thread in its round. Signals that whoever started us ignores are left alone, as
// are those that somebody has taken for something else (a profiler in this process).
#pragma once

#include <chrono>
#include <csignal>
#include <set>

namespace cpss {

// First thing in the process: from here on no signal that means nothing to the server ends it, and
// those that end it end it at once, whatever its start is busy with.
void secure_signals();

class EndSignals {
 public:
  // From here on signals end the server in good order only: blocks them, for good, in this thread
  // and in all that it starts. Construct before the lanes. `children`: a child process that ends
  // ends a wait, too.
  explicit EndSignals(bool children = false);

  // Waits for a signal that ends the server, at most `longest`. Its number, or 0, which may come
  // early: a child has ended, or a signal came that means nothing here (a line in the log, once for
  // each).
  int wait(std::chrono::milliseconds longest);

  // Whether the end by this signal is to be a forced one, with a core file.
  static bool asks_for_core(int signal) noexcept { return signal == SIGQUIT; }
  // Whether it is a time limit that is over, not somebody who asks: it comes again by itself.
  static bool is_time_limit(int signal) noexcept;

 private:
  sigset_t set_;
  std::set<int> told_;  // of those that mean nothing
};

// Ends the process as `signal` does by default: for SIGQUIT with a core file (core(5)), if limits
// and system allow one. As process 1, which no signal ends, with exit code 128 + `signal`.
[[noreturn]] void end_by(int signal);

}  // namespace cpss
