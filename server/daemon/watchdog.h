// Decides when the service manager is told that the server is alive: at half the interval after
// which it would take the server for hung, and only if no lane is stuck. A main thread that runs
// says little about the lanes, and they are the server. Anything else that may hang shows itself as
// a lane does (Engine::pulses()). docs/service-manager.md says what is promised.
//
// Pure logic. One thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "stages/lane/lane_pulse.h"

namespace cpss {

class Watchdog {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // `interval`: the manager's limit.
  explicit Watchdog(std::chrono::nanoseconds interval) noexcept : half_(interval / 2) {}

  // True: tell the manager now. To be called several times in half an interval, each time with all
  // lanes in the same order. The first call returns true. A stuck lane delays it until that lane
  // moves: so nothing that a lane does in one round, except waiting, may take as long as half the
  // interval.
  bool due(TimePoint now, std::span<const LanePulse> lanes);

  // For the log: the lane that delays it, by its place in `lanes`.
  std::optional<std::size_t> stuck_lane() const noexcept { return stuck_lane_; }

 private:
  std::optional<std::size_t> find_stuck(std::span<const LanePulse> lanes) const;

  std::chrono::nanoseconds half_;
  // When it was due the last time, and the lanes then. Not those of the last call: a lane may take
  // longer than from one call to the next.
  std::optional<TimePoint> last_time_;
  std::vector<LanePulse> last_lanes_;
  std::optional<std::size_t> stuck_lane_;
};

}  // namespace cpss
