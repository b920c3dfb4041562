// The engine of a server model as the main thread sees it: threads (pipeline.h), or processes
// (process_group.h).
//
// Main thread only; writes to the main thread's block of the region as its caller does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "server/pipeline/scoreboard.h"

namespace cpss {

// Data that a process reads although there are newer ones.
struct OlderData {
  std::size_t generations = 0;  // how many older; 0: all processes have the newest
  std::string lane;             // of the process that has the oldest
};

class Engine {
 public:
  virtual ~Engine() = default;

  // Throws std::system_error; before that it ends all that it has started.
  virtual void start() = 0;
  // As start(), for engines whose start may take its time. Calls `give_up` several times a second;
  // once that says true, start_unless() returns false, and all that was started still runs.
  virtual bool start_unless([[maybe_unused]] const std::function<bool()>& give_up) {
    start();
    return true;
  }

  // The orderly end: receive lanes take what the sockets still hold, or leave it there
  // (PipelineOptions::stop_reading), then every stage finishes the messages that reach it, in the
  // order of the flow. Calls `give_up` several times a second; once that says true, end() returns
  // false and lanes still run.
  virtual bool end(const std::function<bool()>& give_up) = 0;

  // At a forced end: no lane begins to receive any more.
  virtual void stop_receiving() = 0;
  // At a forced end: takes every message away from the lanes and books it as failed. Returns how
  // many it took. To be called again until all_taken() is true and the ledger has the messages that
  // lanes had just ended themselves.
  virtual std::uint64_t seize_all() noexcept = 0;
  // As of the last seize_all(): no lane receives any more, and none has anything in hand that could
  // not be taken away.
  virtual bool all_taken() const noexcept = 0;

  // To be called several times a second, and when a child process has ended.
  virtual void tick() = 0;

  // Of processes, which have data of their own: tick() gives them what the service has adopted
  // here.
  virtual OlderData older_data() const { return {}; }

  // What the watchdog (watchdog.h) compares: each lane, and anything else that may hang.
  virtual std::vector<LanePulse> pulses() { return scoreboard().pulses(); }
  // For the log: says which pulse is stuck, and how.
  virtual std::string why_stuck(std::size_t pulse) {
    return scoreboard().name(pulse) + " makes no progress";
  }

  virtual Scoreboard& scoreboard() noexcept = 0;
};

}  // namespace cpss
