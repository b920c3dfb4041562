#include "stages/receive/held_datagrams.h"

#include <atomic>
#include <cstdint>
#include <optional>
#include <thread>

#include <gtest/gtest.h>

namespace cpss {
namespace {

TEST(HeldDatagrams, WhatLiesThereIsTakenAwayOnceAndForGood) {
  HeldDatagrams held;
  ASSERT_TRUE(held.pick_up());
  held.put_down(7);
  EXPECT_EQ(held.take_away(), 7u);
  EXPECT_EQ(held.take_away(), 0u) << "nothing is taken twice";
  EXPECT_FALSE(held.pick_up());
  held.put_down(7);
  EXPECT_FALSE(held.pick_up()) << "what the lane no longer has it cannot put down";
  EXPECT_EQ(held.take_away(), 0u);
}

TEST(HeldDatagrams, WhatTheLaneHasInHandIsNotTaken) {
  HeldDatagrams held;
  ASSERT_TRUE(held.pick_up());
  EXPECT_EQ(held.take_away(), std::nullopt);
  held.put_down(0);
  EXPECT_TRUE(held.pick_up());
  EXPECT_EQ(held.take_away(), std::nullopt);
  held.put_down(3);
  EXPECT_EQ(held.take_away(), 3u);
}

TEST(HeldDatagrams, ALaneThatHasNothingReadsNoMoreEither) {
  HeldDatagrams held;
  EXPECT_EQ(held.take_away(), 0u);
  EXPECT_FALSE(held.pick_up());
}

// The lane reads seven at a time and ends two; at some moment main takes the rest. Together they
// have booked all that was read.
TEST(HeldDatagrams, OfALaneAndMainExactlyOneEndsEach) {
  for (int round = 0; round < 200; ++round) {
    HeldDatagrams held;
    std::atomic<bool> runs{false};
    std::atomic<std::uint64_t> read{0};
    std::uint64_t ended = 0;
    std::thread lane([&] {
      for (std::uint64_t left = 0; held.pick_up();) {
        if (left == 0) read.store(read.load(std::memory_order_relaxed) + (left = 7));
        const std::uint64_t now = left < 2 ? left : 2;
        left -= now;
        ended += now;
        held.put_down(left);
        runs.store(true, std::memory_order_relaxed);
        std::this_thread::yield();
      }
    });
    while (!runs.load(std::memory_order_relaxed)) std::this_thread::yield();
    std::optional<std::uint64_t> taken;
    for (; !taken; taken = held.take_away()) std::this_thread::yield();
    // Main closes the ledger at this moment, perhaps before the lane has ended.
    const std::uint64_t read_by_then = read.load(std::memory_order_relaxed);
    lane.join();
    ASSERT_EQ(read.load(), read_by_then) << "something was read after main had taken all";
    ASSERT_EQ(ended + *taken, read_by_then);
  }
}

}  // namespace
}  // namespace cpss
