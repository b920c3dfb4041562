#include "stats/lane_shares.h"

#include <algorithm>

namespace cpss {
namespace {

std::uint64_t earlier(const Snapshot* before, std::size_t lane) noexcept {
  return before != nullptr && lane < before->receivers.size() ? before->receivers[lane].received
                                                              : 0;
}

}  // namespace

LaneShares lane_shares(const Snapshot& snapshot, const Snapshot* before) {
  LaneShares result;
  std::uint64_t all = 0;
  std::uint64_t max = 0;
  for (std::size_t i = 0; i < snapshot.receivers.size(); ++i) {
    const std::uint64_t received = snapshot.receivers[i].received - earlier(before, i);
    result.lanes.push_back({.received = received});
    all += received;
    max = std::max(max, received);
  }
  if (all == 0) return result;
  const auto total = static_cast<double>(all);
  for (LaneShare& lane : result.lanes) lane.share = static_cast<double>(lane.received) / total;
  result.imbalance = static_cast<double>(max) * static_cast<double>(result.lanes.size()) / total;
  return result;
}

}  // namespace cpss
