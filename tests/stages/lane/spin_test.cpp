#include "stages/lane/spin.h"

#include <array>

#include <gtest/gtest.h>

namespace cpss {
namespace {

std::uint64_t time_ns = 0;
std::uint64_t fake_clock() noexcept {
  return time_ns;
}

class SpinTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kMax = 100;
  using TestedSpin = BasicSpin<fake_clock>;

  SpinTest() {
    time_ns = 1'000'000;
    lanes_.note_awake(0);
  }
  static void pass(std::uint64_t ns) { time_ns += ns; }
  // The lane sleeps for `idle` without a spin, then works for a short while.
  void park(std::uint64_t idle) {
    ASSERT_FALSE(spin_.look_again(lanes_));
    pass(idle);
    spin_.slept();
    spin_.worked();
    pass(1);
  }
  // Makes the lane spin when it is idle next.
  void encourage() { park(kMax / 2); }

  std::array<AwakeLanes::Word, 1> bits_{};
  AwakeLanes lanes_{2, bits_};
  TestedSpin spin_{kMax};
};

TEST_F(SpinTest, TheFirstIdleTimeAndLongOnesAreSleptThrough) {
  pass(1);
  for (int i = 0; i < 10; ++i) park(10 * kMax);
}

TEST_F(SpinTest, WhereWorkCameSoonItLooksForAsLongAsItIsTold) {
  encourage();
  EXPECT_TRUE(spin_.look_again(lanes_));
  pass(kMax - 1);
  EXPECT_TRUE(spin_.look_again(lanes_));
  pass(1);
  EXPECT_FALSE(spin_.look_again(lanes_));
}

TEST_F(SpinTest, WhatItFindsEncouragesIt) {
  encourage();
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(spin_.look_again(lanes_));
    pass(kMax / 2);
    EXPECT_TRUE(spin_.look_again(lanes_));
    spin_.worked();
    pass(1);
  }
}

TEST_F(SpinTest, EachAttemptInVainLetsTwiceAsManyWaitsGoBy) {
  encourage();
  for (const int waits : {1, 3, 7, 15}) {
    EXPECT_TRUE(spin_.look_again(lanes_)) << waits;
    pass(kMax);
    EXPECT_FALSE(spin_.look_again(lanes_));
    pass(kMax);
    spin_.slept();
    pass(1);
    for (int i = 0; i < waits; ++i) park(kMax / 2);
  }
}

TEST_F(SpinTest, ALongBusyTimePaysForAWakeUp) {
  encourage();
  pass(kMax);
  EXPECT_FALSE(spin_.look_again(lanes_));
}

TEST_F(SpinTest, WhereLanesShareACpuItYieldsOnceAndSleeps) {
  encourage();
  lanes_.note_awake(1);
  lanes_.note_awake(2);
  EXPECT_TRUE(spin_.look_again(lanes_)) << "after the others have run";
  EXPECT_FALSE(spin_.look_again(lanes_));
  lanes_.note_asleep(1);
  EXPECT_TRUE(spin_.look_again(lanes_)) << "one of them has gone to sleep";
}

// A lane may die between any two of its stores, so the parent may say again what the lane has said.
TEST(AwakeLanes, CountsEachLaneOnceWhateverIsSaidTwice) {
  std::array<AwakeLanes::Word, AwakeLanes::words_for(130)> bits{};
  ASSERT_EQ(bits.size(), 3u);
  AwakeLanes lanes(2, bits);
  for (const std::size_t lane : {0u, 63u, 64u, 129u, 129u, 0u}) lanes.note_awake(lane);
  EXPECT_EQ(lanes.count(), 4u);
  EXPECT_FALSE(lanes.have_a_cpu_each());
  for (const std::size_t lane : {63u, 63u, 129u, 128u, 129u}) lanes.note_asleep(lane);
  EXPECT_EQ(lanes.count(), 2u);
  EXPECT_TRUE(lanes.have_a_cpu_each());
}

TEST_F(SpinTest, WithoutTimeItNeverLooks) {
  TestedSpin none(0);
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(none.look_again(lanes_));
    none.slept();
    none.worked();
  }
}

}  // namespace
}  // namespace cpss
