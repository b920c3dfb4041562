#include "tools/udpblast/message_id_allocator.h"

#include <algorithm>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace cpss::udpblast {
namespace {

TEST(MessageIdAllocator, EndsAtTheCount) {
  MessageIdPool pool(5);
  MessageIdAllocator supply(pool);
  const auto first = supply.take(3);
  EXPECT_EQ(first.first, 0u);
  EXPECT_EQ(first.end, 3u);
  const auto second = supply.take(64);
  EXPECT_EQ(second.first, 3u);
  EXPECT_EQ(second.end, 5u);
  const auto none = supply.take(64);
  EXPECT_EQ(none.first, none.end);
}

TEST(MessageIdAllocator, WhatIsGivenBackComesAgain) {
  MessageIdPool pool(10);
  MessageIdAllocator supply(pool);
  supply.take(8);
  supply.give_back(5);
  EXPECT_EQ(supply.take(1).first, 3u);
  EXPECT_EQ(supply.take(64).first, 4u);
  supply.give_back(6);
  const auto rest = supply.take(64);
  EXPECT_EQ(rest.first, 4u);
  EXPECT_EQ(rest.end, 10u);
}

TEST(MessageIdAllocator, ThreadsShareAllIdsOutOnce) {
  constexpr std::uint64_t kCount = 100'003;
  constexpr std::size_t kThreads = 4;
  MessageIdPool pool(kCount);
  std::vector<std::vector<std::uint64_t>> taken(kThreads);
  {
    std::vector<std::jthread> threads;
    for (auto& mine : taken)
      threads.emplace_back([&pool, &mine] {
        MessageIdAllocator supply(pool);
        for (auto range = supply.take(7); range.first != range.end; range = supply.take(7))
          for (std::uint64_t n = range.first; n < range.end; ++n) mine.push_back(n);
      });
  }
  std::vector<std::uint64_t> all;
  for (const auto& mine : taken) all.insert(all.end(), mine.begin(), mine.end());
  std::ranges::sort(all);
  ASSERT_EQ(all.size(), kCount);
  for (std::uint64_t n = 0; n < kCount; ++n) ASSERT_EQ(all[n], n);
}

}  // namespace
}  // namespace cpss::udpblast
