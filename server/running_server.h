// A server between its start and its end, as the main thread sees it: the tick, the drain, the
// forced end.
#pragma once

#include <chrono>

#include "server/event_log.h"
#include "server/listeners.h"
#include "server/pipeline.h"
#include "server/signals.h"
#include "stats/region.h"

namespace cpss {

class RunningServer {
 public:
  // `main`: the writer of the main thread's block.
  RunningServer(const EndSignals& signals, Listeners& listeners, StatsRegion& region,
                Pipeline& pipeline, StatsWriter main);

  void start();  // throws std::system_error
  void run_until_signalled();

  // The orderly end, within `drain_timeout`; returns when all lanes have ended. If that takes
  // longer, or another signal comes, it is a forced end: what is inside is booked as failed, and
  // the process is left at once with kExitForced.
  void end(std::chrono::nanoseconds drain_timeout);

 private:
  void tick();
  void book_kernel_drops();
  [[noreturn]] void leave(const char* why);
  void log_ledger();

  const EndSignals& signals_;
  Listeners& listeners_;
  StatsRegion& region_;
  Pipeline& pipeline_;
  StatsWriter main_;
  EventLog events_;
};

}  // namespace cpss
