#include "server/daemon/watchdog.h"

#include "queue/invariant.h"

namespace cpss {

bool Watchdog::due(TimePoint now, std::span<const LanePulse> lanes) {
  if (last_time_) {
    if (now - *last_time_ < half_) return false;
    stuck_lane_ = find_stuck(lanes);
    if (stuck_lane_) return false;
  }
  last_time_ = now;
  last_lanes_.assign(lanes.begin(), lanes.end());
  return true;
}

// A lane that waits now has nothing to do. A lane that waited the last time has been woken since.
std::optional<std::size_t> Watchdog::find_stuck(std::span<const LanePulse> lanes) const {
  invariant(lanes.size() == last_lanes_.size(), "the lanes are the same at every look");
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    const LanePulse& last = last_lanes_[i];
    if (!last.waiting && !lanes[i].waiting && last.rounds == lanes[i].rounds) return i;
  }
  return std::nullopt;
}

}  // namespace cpss
