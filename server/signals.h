// The signals that end the server, taken by the main thread and no other.
#pragma once

#include <chrono>
#include <csignal>

namespace cpss {

// Blocks SIGTERM, SIGINT and, unless it is ignored (nohup(1)), SIGHUP, for good, in this thread and
// in all that it starts: construct before the lanes. Every other signal keeps its meaning.
class EndSignals {
 public:
  // `children`: a child process that ends ends a wait, too.
  explicit EndSignals(bool children = false);

  // Waits for one of them, at most `longest`. The signal's number, or 0.
  int wait(std::chrono::milliseconds longest) const;

 private:
  sigset_t set_;
};

}  // namespace cpss
