#include "tools/udpblast/departures.h"

#include <gtest/gtest.h>

namespace cpss::udpblast {
namespace {

constexpr std::uint64_t kStart = 5'000'000'000;
constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kSecond = 1'000 * kMillisecond;

class DeparturesTest : public testing::Test {
 protected:
  // 1,000 messages a second, `end` in all.
  Departures plan(std::uint64_t end, std::optional<std::uint64_t> ends_ns = std::nullopt) {
    return {{Schedule::at_rate(1'000), end, 0, 1}, kStart, ends_ns, tally_};
  }
  void expect_ledger(const Departures& departures, std::uint64_t sent, std::uint64_t missed) {
    EXPECT_EQ(departures.planned(), sent + missed);
    EXPECT_EQ(tally_[Count::missed], missed);
    EXPECT_EQ(tally_.read().lag.count(), sent);
  }
  Tally tally_;
};

TEST_F(DeparturesTest, LagIsFromThePlannedTime) {
  Departures departures = plan(3);
  ASSERT_EQ(departures.due(kStart + 2 * kMillisecond, 64), 3u);
  departures.sent(3, kStart + 5 * kMillisecond);  // 5, 4 and 3 ms late
  EXPECT_TRUE(departures.done(kStart + 5 * kMillisecond));
  EXPECT_EQ(tally_.read().lag.max, 5 * kMillisecond);
  expect_ledger(departures, 3, 0);
}

TEST_F(DeparturesTest, FallingBehindMissesNothingAndShiftsNothing) {
  Departures departures = plan(10'000);
  EXPECT_EQ(departures.due(kStart + 8 * kSecond, 64), 64u);
  departures.sent(64, kStart + 8 * kSecond);
  EXPECT_EQ(departures.message(0), 64u);
  EXPECT_EQ(departures.planned_ns(), kStart + 64 * kMillisecond);
  EXPECT_EQ(tally_[Count::missed], 0u);
}

TEST_F(DeparturesTest, WhatFindsNoRoomIsMissedAndTheRestKeepsItsTime) {
  Departures departures = plan(100);
  departures.sent(2, kStart + 9 * kMillisecond);
  departures.missed(8);
  EXPECT_EQ(departures.planned_ns(), kStart + 10 * kMillisecond);
  departures.end(kStart + 9 * kMillisecond);
  expect_ledger(departures, 2, 8);
}

TEST_F(DeparturesTest, AKernelThatTakesNothingForLongCostsWhatIsDue) {
  Departures departures = plan(1'000'000);
  departures.blocked(kStart + 1 * kMillisecond);
  departures.blocked(kStart + kHopelessNs);
  EXPECT_EQ(tally_[Count::missed], 0u);
  departures.blocked(kStart + kHopelessNs + 1 * kMillisecond);
  EXPECT_EQ(tally_[Count::missed], 1'002u);
  departures.blocked(kStart + kHopelessNs + 4 * kMillisecond);
  EXPECT_EQ(tally_[Count::missed], 1'005u);
}

TEST_F(DeparturesTest, AMessageThatWasTakenEndsTheWaitForTheKernel) {
  Departures departures = plan(1'000'000);
  departures.blocked(kStart);
  departures.sent(1, kStart + kHopelessNs);
  departures.blocked(kStart + kHopelessNs + 1 * kMillisecond);
  EXPECT_EQ(tally_[Count::missed], 0u);
}

TEST_F(DeparturesTest, TheEndMissesWhatIsDueAndPlansNoMore) {
  Departures departures = plan(1'000'000);
  departures.sent(5, kStart + 10 * kMillisecond);
  departures.end(kStart + 10 * kMillisecond);
  EXPECT_TRUE(departures.done(kStart + 10 * kMillisecond));
  expect_ledger(departures, 5, 6);
}

TEST_F(DeparturesTest, CatchingUpEndsAWhileAfterTheTimeLimit) {
  Departures departures = plan(2'000, kStart + 2 * kSecond);
  departures.sent(500, kStart + 2 * kSecond);
  EXPECT_FALSE(departures.done(kStart + 2 * kSecond + kCatchUpNs - 1));
  EXPECT_TRUE(departures.done(kStart + 2 * kSecond + kCatchUpNs));
  expect_ledger(departures, 500, 1'500);
}

}  // namespace
}  // namespace cpss::udpblast
