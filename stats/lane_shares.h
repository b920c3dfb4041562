// How evenly the messages that arrive are spread over the lanes that receive.
//
// Pure functions over snapshots; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "stats/snapshot.h"

namespace cpss {

struct LaneShare {
  std::uint64_t received = 0;  // messages
  double share = 0;            // of those of all lanes, 0 to 1
};

struct LaneShares {
  std::vector<LaneShare> lanes;  // as Snapshot::receivers
  // The largest share over the mean one: 1 where all have as much, the number of lanes where one
  // has all. Nothing where nothing was received.
  std::optional<double> imbalance;
};

// Of what was received since `before`, an earlier snapshot of the same server, or without one since
// the server's start.
LaneShares lane_shares(const Snapshot& snapshot, const Snapshot* before);

}  // namespace cpss
