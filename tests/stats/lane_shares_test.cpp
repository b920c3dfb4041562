#include "stats/lane_shares.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cpss {
namespace {

using testing::DoubleEq;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;

Snapshot snapshot_of(const std::vector<std::uint64_t>& received) {
  Snapshot snapshot;
  for (const std::uint64_t n : received)
    snapshot.receivers.push_back({.lane = "lane", .received = n});
  return snapshot;
}

std::vector<double> shares(const LaneShares& of) {
  std::vector<double> result;
  for (const LaneShare& lane : of.lanes) result.push_back(lane.share);
  return result;
}

TEST(LaneSharesTest, AreThoseOfWhatWasReceived) {
  const LaneShares result = lane_shares(snapshot_of({10, 60, 0, 30}), nullptr);
  EXPECT_THAT(shares(result), ElementsAre(0.1, 0.6, 0, 0.3));
  EXPECT_EQ(result.lanes[1].received, 60u);
  EXPECT_THAT(result.imbalance, Optional(DoubleEq(2.4)));
}

TEST(LaneSharesTest, AsMuchForAllIsAnImbalanceOfOne) {
  EXPECT_THAT(lane_shares(snapshot_of({7, 7, 7}), nullptr).imbalance, Optional(DoubleEq(1)));
  EXPECT_THAT(lane_shares(snapshot_of({7}), nullptr).imbalance, Optional(DoubleEq(1)));
}

TEST(LaneSharesTest, AllForOneIsTheNumberOfLanes) {
  EXPECT_THAT(lane_shares(snapshot_of({0, 0, 5, 0}), nullptr).imbalance, Optional(DoubleEq(4)));
}

TEST(LaneSharesTest, NothingReceivedGivesNoFigure) {
  const LaneShares result = lane_shares(snapshot_of({0, 0}), nullptr);
  EXPECT_THAT(shares(result), ElementsAre(0, 0));
  EXPECT_EQ(result.imbalance, std::nullopt);
  EXPECT_THAT(lane_shares(Snapshot{}, nullptr).lanes, IsEmpty());
  EXPECT_EQ(lane_shares(Snapshot{}, nullptr).imbalance, std::nullopt);
}

TEST(LaneSharesTest, WithAnEarlierSnapshotOnlyWhatCameSinceCounts) {
  const Snapshot before = snapshot_of({1000, 0});
  const LaneShares result = lane_shares(snapshot_of({1001, 3}), &before);
  EXPECT_THAT(shares(result), ElementsAre(0.25, 0.75));
  EXPECT_EQ(result.lanes[0].received, 1u);
  EXPECT_THAT(result.imbalance, Optional(DoubleEq(1.5)));
  EXPECT_EQ(lane_shares(before, &before).imbalance, std::nullopt);
}

}  // namespace
}  // namespace cpss
