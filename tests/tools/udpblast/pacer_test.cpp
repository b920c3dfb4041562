#include "tools/udpblast/pacer.h"

#include <set>

#include <gtest/gtest.h>

namespace cpss::udpblast {
namespace {

constexpr std::uint64_t kStart = 5'000'000'000;
constexpr std::uint64_t kMillisecond = 1'000'000;

// 1,000 messages a second.
Pacer pacer(std::uint64_t end, std::uint32_t first = 0, std::uint32_t stride = 1) {
  return {{Schedule::at_rate(1'000), end, first, stride}, kStart};
}

TEST(Pacer, NothingIsDueBeforeTheStart) {
  EXPECT_EQ(pacer(10).due(0, 64), 0u);
  EXPECT_EQ(pacer(10).due(kStart - 1, 64), 0u);
  EXPECT_EQ(pacer(10).due(kStart, 64), 1u);
}

TEST(Pacer, WhatIsDueStaysDueUntilItIsDealtWith) {
  Pacer one = pacer(100);
  EXPECT_EQ(one.due(kStart + 9 * kMillisecond, 64), 10u);
  EXPECT_EQ(one.due(kStart + 9 * kMillisecond, 4), 4u);
  one.advance(4);
  EXPECT_EQ(one.due(kStart + 9 * kMillisecond, 64), 6u);
  EXPECT_EQ(one.message(), 4u);
  EXPECT_EQ(one.planned_ns(), kStart + 4 * kMillisecond);
  EXPECT_EQ(one.planned_ns(2), kStart + 6 * kMillisecond);
}

TEST(Pacer, EndsWithThePlan) {
  Pacer one = pacer(3);
  EXPECT_EQ(one.due(kStart + 1'000 * kMillisecond, 64), 3u);
  one.advance(3);
  EXPECT_TRUE(one.done());
  EXPECT_EQ(one.due(kStart + 1'000 * kMillisecond, 64), 0u);
}

TEST(Pacer, ThreadsTakeTurns) {
  std::multiset<std::uint64_t> messages;
  for (std::uint32_t thread = 0; thread < 3; ++thread) {
    Pacer one = pacer(10, thread, 3);
    EXPECT_EQ(one.planned_ns(), kStart + thread * kMillisecond);
    EXPECT_EQ(one.planned(), thread == 0 ? 4u : 3u);
    const std::size_t due = one.due(kStart + 1'000 * kMillisecond, 64);
    for (std::size_t i = 0; i < due; ++i) messages.insert(one.message(i));
    one.advance(due);
    EXPECT_TRUE(one.done());
    EXPECT_EQ(one.left(), 0u);
  }
  EXPECT_EQ(messages, (std::multiset<std::uint64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST(Pacer, CutKeepsWhatIsDueAndWhatIsDone) {
  Pacer one = pacer(100, 1, 2);
  one.advance(3);                      // 1, 3, 5
  one.cut(kStart + 8 * kMillisecond);  // 0 to 8 are due
  EXPECT_EQ(one.left(), 1u);           // 7
  EXPECT_EQ(one.planned(), 4u);
  one.cut(kStart);
  EXPECT_EQ(one.left(), 0u);
  EXPECT_EQ(one.planned(), 3u);
  EXPECT_TRUE(one.done());
}

TEST(Pacer, ManyMoreThreadsThanMessages) {
  const Pacer one = pacer(3, 100, 128);
  EXPECT_TRUE(one.done());
  EXPECT_EQ(one.planned(), 0u);
  EXPECT_EQ(one.left(), 0u);
}

}  // namespace
}  // namespace cpss::udpblast
