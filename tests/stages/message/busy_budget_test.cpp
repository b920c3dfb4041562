// The budget of busy replies; the tests set the time.
#include "stages/message/busy_budget.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/time_units.h"

namespace cpss {
namespace {

using test::kMs;

constexpr std::uint64_t kSecond = 1000 * kMs;

// The max saved up while no lane asks: 10 ms, or one reply.
std::uint64_t burst(std::uint32_t rate) {
  return std::max<std::uint64_t>(1, rate / 100);
}

// The max granted within any second of a run.
class AnySecond {
 public:
  void add(std::uint64_t granted, std::uint64_t now_ns) {
    grants_.push_back({now_ns, granted});
    sum_ += granted;
    for (; now_ns - grants_.front().at_ns >= kSecond; grants_.pop_front())
      sum_ -= grants_.front().count;
    max_ = std::max(max_, sum_);
  }
  std::uint64_t max() const { return max_; }

 private:
  struct Grant {
    std::uint64_t at_ns;
    std::uint64_t count;
  };
  std::deque<Grant> grants_;
  std::uint64_t sum_ = 0;
  std::uint64_t max_ = 0;
};

TEST(BusyBudget, ARateOfZeroGrantsNothing) {
  BusyBudget budget(0);
  for (const std::uint64_t now : {std::uint64_t{0}, kMs, 1000 * kSecond})
    EXPECT_EQ(budget.take(64, now), 0u);
}

TEST(BusyBudget, NothingWantedTakesNothing) {
  BusyBudget budget(1);
  EXPECT_EQ(budget.take(0, 10 * kSecond), 0u);
  EXPECT_EQ(budget.take(1, 10 * kSecond), 1u);
}

TEST(BusyBudget, AtMostTheRateAndTheBurstInAnySecond) {
  for (const std::uint32_t rate : {1u, 2u, 3u, 7u, 99u, 100u, 101u, 1000u, 999'983u, 10'000'000u}) {
    BusyBudget budget(rate);
    std::mt19937 random(rate);
    AnySecond any_second;
    std::uint64_t now = 1000 * kSecond;
    const std::uint64_t begin = now;
    std::uint64_t granted = 0;
    // A lane that asks for more than there is, with pauses of up to 1 ms, and now and then of
    // seconds.
    for (int i = 0; i < 20'000; ++i) {
      const std::uint32_t got =
          budget.take(1 + static_cast<std::uint32_t>(random() % 200'000), now);
      granted += got;
      any_second.add(got, now);
      now += random() % 1000 == 0 ? random() % (3 * kSecond) : random() % kMs;
    }
    EXPECT_LE(any_second.max(), rate + burst(rate)) << rate;
    const double seconds = static_cast<double>(now - begin) / 1e9;
    EXPECT_LE(static_cast<double>(granted), rate * seconds + static_cast<double>(burst(rate)));
    EXPECT_GT(granted, 0u) << rate;
  }
}

// A lane that asks all the time gets the whole rate, less the rounding of an interval to 1 ns.
TEST(BusyBudget, TheRateIsReached) {
  for (const std::uint32_t rate : {1u, 3u, 1000u, 100'000u, 9'999'999u, 10'000'000u}) {
    BusyBudget budget(rate);
    std::uint64_t now = 1000 * kSecond;
    budget.take(std::numeric_limits<std::uint32_t>::max(), now);
    std::uint64_t granted = 0;
    for (int ms = 0; ms < 10'000; ++ms)
      granted += budget.take(std::numeric_limits<std::uint32_t>::max(), now += kMs);
    EXPECT_LE(granted, 10ull * rate);
    EXPECT_GE(granted, 10ull * rate * 98 / 100) << rate;
  }
}

TEST(BusyBudget, OneASecond) {
  BusyBudget budget(1);
  const std::uint64_t now = 5 * kSecond;
  EXPECT_EQ(budget.take(64, now), 1u);
  EXPECT_EQ(budget.take(64, now), 0u);
  EXPECT_EQ(budget.take(64, now + kSecond - 1), 0u);
  EXPECT_EQ(budget.take(64, now + kSecond), 1u);
}

TEST(BusyBudget, WhatIsSavedUpIsOneBurst) {
  BusyBudget budget(1000);
  EXPECT_EQ(budget.take(1'000'000, 100 * kSecond), 10u);
  EXPECT_EQ(budget.take(1'000'000, 100 * kSecond), 0u);
  EXPECT_EQ(budget.take(1'000'000, 100'000 * kSecond), 10u);
}

TEST(BusyBudget, WhatIsNotWantedIsLeft) {
  BusyBudget budget(1000);
  EXPECT_EQ(budget.take(4, 100 * kSecond), 4u);
  EXPECT_EQ(budget.take(4, 100 * kSecond), 4u);
  EXPECT_EQ(budget.take(4, 100 * kSecond), 2u);
}

TEST(BusyBudget, AClockThatBeginsAtZero) {
  for (const std::uint32_t rate : {1u, 1000u, 10'000'000u}) {
    BusyBudget budget(rate);
    EXPECT_EQ(budget.take(64, 0), 0u);
    std::uint64_t granted = 0;
    for (std::uint64_t now = 0; now <= kSecond; now += kMs) granted += budget.take(100'000, now);
    EXPECT_LE(granted, rate);
    EXPECT_GE(granted, std::max<std::uint64_t>(1, rate * 98ull / 100)) << rate;
  }
}

TEST(BusyBudget, ATimeThatLiesBackGrantsNothingTwice) {
  BusyBudget budget(1000);
  EXPECT_EQ(budget.take(64, 100 * kSecond), 10u);
  for (const std::uint64_t earlier : {std::uint64_t{0}, kSecond, 100 * kSecond - 1})
    EXPECT_EQ(budget.take(64, earlier), 0u);
  EXPECT_EQ(budget.take(64, 100 * kSecond + kMs), 1u);
}

TEST(BusyBudget, TheEndOfTheClockDoesNotOverflow) {
  constexpr std::uint64_t kEnd = std::numeric_limits<std::uint64_t>::max();
  for (const std::uint32_t rate : {1u, 1000u, 10'000'000u}) {
    BusyBudget budget(rate);
    EXPECT_EQ(budget.take(std::numeric_limits<std::uint32_t>::max(), kEnd - kSecond), burst(rate));
    EXPECT_LE(budget.take(std::numeric_limits<std::uint32_t>::max(), kEnd), burst(rate));
    EXPECT_EQ(budget.take(64, kEnd), 0u);
    EXPECT_EQ(budget.take(64, 0), 0u);
  }
}

// The clock that all threads share goes on while they ask: together they never get more than it
// allows.
TEST(BusyBudget, SeveralThreadsTogetherGetNoMore) {
  constexpr std::uint32_t kRate = 1'000'000;
  constexpr std::uint64_t kEnd = 100 * kSecond + 200 * kMs;
  BusyBudget budget(kRate);
  std::atomic<std::uint64_t> clock{100 * kSecond};
  std::atomic<std::uint64_t> granted{0};
  {
    std::vector<std::jthread> threads;
    for (unsigned t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        std::mt19937 random(t);
        std::uint64_t got = 0;
        for (std::uint64_t now = 0; now < kEnd;) {
          now = clock.fetch_add(random() % 10'000) + 1;
          got += budget.take(1 + static_cast<std::uint32_t>(random() % 64), std::min(now, kEnd));
        }
        granted += got;
      });
  }
  EXPECT_LE(granted, kRate / 5 + burst(kRate));
  EXPECT_GT(granted, 0u);
}

}  // namespace
}  // namespace cpss
