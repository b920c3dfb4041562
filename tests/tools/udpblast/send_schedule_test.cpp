#include "tools/udpblast/send_schedule.h"

#include <optional>
#include <set>

#include <gtest/gtest.h>

#include "tests/support/time_units.h"

namespace cpss::udpblast {
namespace {

using test::kMs;

constexpr std::uint64_t kStart = 5'000'000'000;
constexpr std::uint64_t kSecond = 1'000 * kMs;

// due_by() is the number of messages with planned_ns() at most that.
void expect_inverse(const SendTimes& times, std::uint64_t messages) {
  for (std::uint64_t message = 0; message < messages; ++message) {
    const std::uint64_t at_ns = times.planned_ns(message);
    EXPECT_GT(times.due_by(at_ns), message);
    if (at_ns > 0) {
      EXPECT_LE(times.due_by(at_ns - 1), message);
    }
  }
}

TEST(SendTimes, EvenlySpread) {
  const SendTimes times = SendTimes::at_rate(4);
  EXPECT_EQ(times.planned_ns(0), 0u);
  EXPECT_EQ(times.planned_ns(1), kSecond / 4);
  EXPECT_EQ(times.planned_ns(9), kSecond * 9 / 4);
  EXPECT_EQ(times.due_by(0), 1u);
  EXPECT_EQ(times.due_by(kSecond - 1), 4u);
  EXPECT_EQ(times.due_by(kSecond), 5u);
  EXPECT_EQ(times.span_ns(8), 2 * kSecond);
  EXPECT_EQ(times.messages_per_second(), 4);
}

TEST(SendTimes, NoRoundingAddsUp) {
  for (const std::uint64_t rate : {3u, 7u, 300'000u, 9'999'999u}) {
    const SendTimes times = SendTimes::at_rate(rate);
    EXPECT_EQ(times.planned_ns(rate * 86'400), 86'400 * kSecond);
    EXPECT_EQ(times.due_by(86'400 * kSecond - 1), rate * 86'400);
    expect_inverse(times, 1'000);
  }
}

TEST(SendTimes, Bursts) {
  const SendTimes times = SendTimes::in_bursts(50, 10'000'000);
  EXPECT_EQ(times.planned_ns(49), 0u);
  EXPECT_EQ(times.planned_ns(50), 10'000'000u);
  EXPECT_EQ(times.due_by(0), 50u);
  EXPECT_EQ(times.due_by(9'999'999), 50u);
  EXPECT_EQ(times.due_by(10'000'000), 100u);
  EXPECT_EQ(times.span_ns(100), 20'000'000u);
  EXPECT_EQ(times.span_ns(101), 30'000'000u);
  EXPECT_EQ(times.messages_per_second(), 5'000);
}

class SendScheduleTest : public testing::Test {
 protected:
  // 1,000 messages a second, `end` in all.
  SendSchedule plan(std::uint64_t end, std::optional<std::uint64_t> ends_ns = std::nullopt) {
    return {{SendTimes::at_rate(1'000), end, 0, 1}, kStart, ends_ns, tally_};
  }
  // The share of one of several threads.
  SendSchedule share(std::uint64_t end, std::uint32_t thread, std::uint32_t threads) {
    return {{SendTimes::at_rate(1'000), end, thread, threads}, kStart, std::nullopt, tally_};
  }
  void expect_ledger(const SendSchedule& schedule, std::uint64_t sent, std::uint64_t missed) {
    EXPECT_EQ(schedule.planned(), sent + missed);
    EXPECT_EQ(tally_[Count::missed], missed);
    EXPECT_EQ(tally_.read().lag.count(), sent);
  }
  Tally tally_;
};

TEST_F(SendScheduleTest, LagIsFromThePlannedTime) {
  SendSchedule schedule = plan(3);
  ASSERT_EQ(schedule.due(kStart + 2 * kMs, 64), 3u);
  schedule.sent(3, kStart + 5 * kMs);  // 5, 4 and 3 ms late
  EXPECT_TRUE(schedule.done(kStart + 5 * kMs));
  EXPECT_EQ(tally_.read().lag.max, 5 * kMs);
  expect_ledger(schedule, 3, 0);
}

TEST_F(SendScheduleTest, FallingBehindMissesNothingAndShiftsNothing) {
  SendSchedule schedule = plan(10'000);
  EXPECT_EQ(schedule.due(kStart + 8 * kSecond, 64), 64u);
  schedule.sent(64, kStart + 8 * kSecond);
  EXPECT_EQ(schedule.message(0), 64u);
  EXPECT_EQ(schedule.planned_ns(), kStart + 64 * kMs);
  EXPECT_EQ(tally_[Count::missed], 0u);
}

TEST_F(SendScheduleTest, WhatFindsNoRoomIsMissedAndTheRestKeepsItsTime) {
  SendSchedule schedule = plan(100);
  schedule.sent(2, kStart + 9 * kMs);
  schedule.missed(8);
  EXPECT_EQ(schedule.planned_ns(), kStart + 10 * kMs);
  schedule.end(kStart + 9 * kMs);
  expect_ledger(schedule, 2, 8);
}

TEST_F(SendScheduleTest, AKernelThatTakesNothingForLongCostsWhatIsDue) {
  SendSchedule schedule = plan(1'000'000);
  schedule.blocked(kStart + 1 * kMs);
  schedule.blocked(kStart + kHopelessNs);
  EXPECT_EQ(tally_[Count::missed], 0u);
  schedule.blocked(kStart + kHopelessNs + 1 * kMs);
  EXPECT_EQ(tally_[Count::missed], 1'002u);
  schedule.blocked(kStart + kHopelessNs + 4 * kMs);
  EXPECT_EQ(tally_[Count::missed], 1'005u);
}

TEST_F(SendScheduleTest, AMessageThatWasTakenEndsTheWaitForTheKernel) {
  SendSchedule schedule = plan(1'000'000);
  schedule.blocked(kStart);
  schedule.sent(1, kStart + kHopelessNs);
  schedule.blocked(kStart + kHopelessNs + 1 * kMs);
  EXPECT_EQ(tally_[Count::missed], 0u);
}

TEST_F(SendScheduleTest, TheEndMissesWhatIsDueAndPlansNoMore) {
  SendSchedule schedule = plan(1'000'000);
  schedule.sent(5, kStart + 10 * kMs);
  schedule.end(kStart + 10 * kMs);
  EXPECT_TRUE(schedule.done(kStart + 10 * kMs));
  expect_ledger(schedule, 5, 6);
}

TEST_F(SendScheduleTest, CatchingUpEndsAWhileAfterTheTimeLimit) {
  SendSchedule schedule = plan(2'000, kStart + 2 * kSecond);
  schedule.sent(500, kStart + 2 * kSecond);
  EXPECT_FALSE(schedule.done(kStart + 2 * kSecond + kCatchUpNs - 1));
  EXPECT_TRUE(schedule.done(kStart + 2 * kSecond + kCatchUpNs));
  expect_ledger(schedule, 500, 1'500);
}

TEST_F(SendScheduleTest, NothingIsDueBeforeTheStart) {
  EXPECT_EQ(plan(10).due(0, 64), 0u);
  EXPECT_EQ(plan(10).due(kStart - 1, 64), 0u);
  EXPECT_EQ(plan(10).due(kStart, 64), 1u);
}

TEST_F(SendScheduleTest, WhatIsDueStaysDueUntilItIsDealtWith) {
  SendSchedule schedule = plan(100);
  EXPECT_EQ(schedule.due(kStart + 9 * kMs, 64), 10u);
  EXPECT_EQ(schedule.due(kStart + 9 * kMs, 4), 4u);
  schedule.sent(4, kStart + 9 * kMs);
  EXPECT_EQ(schedule.due(kStart + 9 * kMs, 64), 6u);
  EXPECT_EQ(schedule.message(), 4u);
  EXPECT_EQ(schedule.planned_ns(), kStart + 4 * kMs);
  EXPECT_EQ(schedule.planned_ns(2), kStart + 6 * kMs);
}

TEST_F(SendScheduleTest, EndsWithThePlan) {
  SendSchedule schedule = plan(3);
  EXPECT_EQ(schedule.due(kStart + 1 * kSecond, 64), 3u);
  schedule.sent(3, kStart + 1 * kSecond);
  EXPECT_TRUE(schedule.done(kStart + 1 * kSecond));
  EXPECT_EQ(schedule.due(kStart + 1 * kSecond, 64), 0u);
}

TEST_F(SendScheduleTest, ThreadsShareTheMessagesOut) {
  std::multiset<std::uint64_t> messages;
  for (std::uint32_t thread = 0; thread < 3; ++thread) {
    SendSchedule schedule = share(10, thread, 3);
    EXPECT_EQ(schedule.planned_ns(), kStart + thread * kMs);
    EXPECT_EQ(schedule.planned(), thread == 0 ? 4u : 3u);
    const std::size_t due = schedule.due(kStart + 1 * kSecond, 64);
    for (std::size_t i = 0; i < due; ++i) messages.insert(schedule.message(i));
    schedule.sent(due, kStart + 1 * kSecond);
    EXPECT_TRUE(schedule.done(kStart + 1 * kSecond));
  }
  EXPECT_EQ(messages, (std::multiset<std::uint64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST_F(SendScheduleTest, TheEndOfAShareMissesWhatIsDueOfItAlone) {
  SendSchedule schedule = share(100, 1, 2);
  schedule.sent(3, kStart + 8 * kMs);  // 1, 3, 5
  schedule.end(kStart + 8 * kMs);      // 0 to 8 are due
  EXPECT_EQ(schedule.planned(), 4u);
  expect_ledger(schedule, 3, 1);  // 7
}

TEST_F(SendScheduleTest, AnEndBeforeWhatWasSentMissesNothing) {
  SendSchedule schedule = share(100, 1, 2);
  schedule.sent(3, kStart + 8 * kMs);
  schedule.end(kStart);
  EXPECT_TRUE(schedule.done(kStart));
  expect_ledger(schedule, 3, 0);
}

TEST_F(SendScheduleTest, ManyMoreThreadsThanMessages) {
  SendSchedule schedule = share(3, 100, 128);
  EXPECT_TRUE(schedule.done(kStart));
  expect_ledger(schedule, 0, 0);
}

}  // namespace
}  // namespace cpss::udpblast
