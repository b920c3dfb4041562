// What runs a server model, as the main thread sees it: threads (pipeline.h), or processes
// (process_group.h).
//
// Main thread only; writes to the main thread's block of the region as its caller does.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "server/pipeline/scoreboard.h"

namespace cpss {

class Engine {
 public:
  virtual ~Engine() = default;

  // Throws std::system_error; what was started already is ended again.
  virtual void start() = 0;
  // The same where that may take its time: `give_up` is asked several times a second; once it says
  // true, start_unless() returns false, and what was started already still runs.
  virtual bool start_unless([[maybe_unused]] const std::function<bool()>& give_up) {
    start();
    return true;
  }

  // The orderly end: lanes that receive take what the sockets still hold, or leave it there
  // (PipelineOptions::stop_reading), then every stage finishes what reaches it, in the order of the
  // flow. `give_up` is asked several times a second; once it says true, end() returns false and
  // lanes still run.
  virtual bool end(const std::function<bool()>& give_up) = 0;

  // At a forced end: nobody begins to receive any more.
  virtual void stop_receiving() = 0;
  // At a forced end: takes every message away from the lanes and books it as failed. Returns how
  // many it took. To be called again until all_taken(), and until what lanes had just ended
  // themselves is in their ledger.
  virtual std::uint64_t seize_all() noexcept = 0;
  // As of the last seize_all(): nobody receives any more, or has anything in hand that could not be
  // taken away.
  virtual bool all_taken() const noexcept = 0;

  // Several times a second, and when a child process has ended.
  virtual void tick() = 0;

  // What the watchdog is to look at (watchdog.h): lane by lane, and whatever else may hang.
  virtual std::vector<LanePulse> pulses() { return scoreboard().pulses(); }
  // For the log: what a stuck one of these is.
  virtual std::string why_stuck(std::size_t pulse) {
    return scoreboard().name(pulse) + " makes no progress";
  }

  virtual Scoreboard& scoreboard() noexcept = 0;
};

}  // namespace cpss
