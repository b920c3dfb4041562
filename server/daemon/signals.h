// What signals do to the server; docs/signals.md has the table.
//
// Only the main thread takes signals: they are blocked in all threads and processes, and the main
// thread waits for them in its round. It leaves alone signals that the process was started with
// ignored, but for SIGHUP (nohup(1) means a terminal's, not a request to load data anew), and
// signals for which other code in this process has a handler (a profiler).
#pragma once

#include <chrono>
#include <csignal>
#include <set>
#include <utility>

namespace cpss {

// To be called first in the process: from here on no signal that means nothing to the server ends
// it, and signals that end it do so at once, whatever its start is busy with.
void secure_signals();

class EndSignals {
 public:
  // From here on signals end the server only in good order: blocks them, for good, in this thread
  // and in all that it starts. Construct before the lanes. `children`: the end of a child process
  // ends a wait, too.
  explicit EndSignals(bool children = false);

  // Waits for a signal that ends the server, at most `longest`. Returns its number, or 0. It may
  // return 0 early: a child has ended, SIGHUP has come, or a signal that means nothing here (which
  // it logs, once for each).
  int wait(std::chrono::milliseconds longest);

  // Whether SIGHUP has come since the last call.
  bool take_hangup() noexcept { return std::exchange(hangup_, false); }

  // Whether this signal asks for a forced end, with a core file.
  static bool asks_for_core(int signal) noexcept { return signal == SIGQUIT; }
  // Whether it says that a time limit is over: no person sent it, and it comes again by itself.
  static bool is_time_limit(int signal) noexcept;

 private:
  sigset_t set_;
  std::set<int> told_;  // signals that mean nothing and were logged
  bool hangup_ = false;
};

// Ends the process as `signal` does by default: for SIGQUIT with a core file (core(5)), if limits
// and system allow one. As process 1, which no signal ends, it exits with code 128 + `signal`.
[[noreturn]] void end_by(int signal);

}  // namespace cpss
