// How evenly the received messages are spread over the receiving lanes.
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
  double share = 0;            // of the messages of all lanes, 0 to 1
};

struct LaneShares {
  std::vector<LaneShare> lanes;  // as Snapshot::receivers
  // The largest share over the mean one: 1 if all lanes have the same share, the number of lanes if
  // one has all messages. Nothing if no message was received.
  std::optional<double> imbalance;
};

// Shares of the messages received since `before`, an earlier snapshot of the same server; without
// `before` since the server's start.
LaneShares lane_shares(const Snapshot& snapshot, const Snapshot* before);

}  // namespace cpss
