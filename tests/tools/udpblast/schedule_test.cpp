#include "tools/udpblast/schedule.h"

#include <gtest/gtest.h>

namespace cpss::udpblast {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

// due_by() is the number of messages with planned_ns() at most that.
void expect_inverse(const Schedule& schedule, std::uint64_t messages) {
  for (std::uint64_t message = 0; message < messages; ++message) {
    const std::uint64_t at_ns = schedule.planned_ns(message);
    EXPECT_GT(schedule.due_by(at_ns), message);
    if (at_ns > 0) {
      EXPECT_LE(schedule.due_by(at_ns - 1), message);
    }
  }
}

TEST(Schedule, EvenlySpread) {
  const Schedule schedule = Schedule::at_rate(4);
  EXPECT_EQ(schedule.planned_ns(0), 0u);
  EXPECT_EQ(schedule.planned_ns(1), kSecond / 4);
  EXPECT_EQ(schedule.planned_ns(9), kSecond * 9 / 4);
  EXPECT_EQ(schedule.due_by(0), 1u);
  EXPECT_EQ(schedule.due_by(kSecond - 1), 4u);
  EXPECT_EQ(schedule.due_by(kSecond), 5u);
  EXPECT_EQ(schedule.span_ns(8), 2 * kSecond);
  EXPECT_EQ(schedule.messages_per_second(), 4);
}

TEST(Schedule, NoRoundingAddsUp) {
  for (const std::uint64_t rate : {3u, 7u, 300'000u, 9'999'999u}) {
    const Schedule schedule = Schedule::at_rate(rate);
    EXPECT_EQ(schedule.planned_ns(rate * 86'400), 86'400 * kSecond);
    EXPECT_EQ(schedule.due_by(86'400 * kSecond - 1), rate * 86'400);
    expect_inverse(schedule, 1'000);
  }
}

TEST(Schedule, Bursts) {
  const Schedule schedule = Schedule::in_bursts(50, 10'000'000);
  EXPECT_EQ(schedule.planned_ns(49), 0u);
  EXPECT_EQ(schedule.planned_ns(50), 10'000'000u);
  EXPECT_EQ(schedule.due_by(0), 50u);
  EXPECT_EQ(schedule.due_by(9'999'999), 50u);
  EXPECT_EQ(schedule.due_by(10'000'000), 100u);
  EXPECT_EQ(schedule.span_ns(100), 20'000'000u);
  EXPECT_EQ(schedule.span_ns(101), 30'000'000u);
  EXPECT_EQ(schedule.messages_per_second(), 5'000);
}

}  // namespace
}  // namespace cpss::udpblast
