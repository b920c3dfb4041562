// Whether a service manager is to be told that the server is alive: at half the interval after
// which it would take us for hung, and only if no lane is stuck. That the main thread runs says
// little about the lanes, and they are the server. What else may hang shows itself as a lane does
// (Engine::pulses()). What is promised: docs/service-manager.md.
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

  // `interval`: the manager's.
  explicit Watchdog(std::chrono::nanoseconds interval) noexcept : half_(interval / 2) {}

  // True: tell it now. To be asked several times in half an interval, each time with all lanes in
  // the same order. The first time it is due at once. A lane that is stuck delays it until that
  // lane moves, so nothing that a lane does in one round, but wait, may take as long as half the
  // interval.
  bool due(TimePoint now, std::span<const LanePulse> lanes);

  // For the log: the lane that delays it, by its place in `lanes`.
  std::optional<std::size_t> stuck_lane() const noexcept { return stuck_lane_; }

 private:
  std::optional<std::size_t> find_stuck(std::span<const LanePulse> lanes) const;

  std::chrono::nanoseconds half_;
  // When it was due the last time, and the lanes then. Not those of the last look: a lane may take
  // longer than from look to look.
  std::optional<TimePoint> last_time_;
  std::vector<LanePulse> last_lanes_;
  std::optional<std::size_t> stuck_lane_;
};

}  // namespace cpss
