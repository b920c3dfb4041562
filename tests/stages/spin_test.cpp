#include "stages/spin.h"

#include <gtest/gtest.h>

namespace cpss {
namespace {

std::uint64_t time_ns = 0;
std::uint64_t fake_clock() noexcept {
  return time_ns;
}

class SpinTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kMost = 100;
  using TestedSpin = BasicSpin<fake_clock>;

  SpinTest() {
    time_ns = 1'000'000;
    lanes_.one_more();
  }
  static void pass(std::uint64_t ns) { time_ns += ns; }
  // A wait of `idle` without a spin, and a short while of work.
  void park(std::uint64_t idle) {
    ASSERT_FALSE(spin_.look_again(lanes_));
    pass(idle);
    spin_.slept();
    spin_.worked();
    pass(1);
  }
  // Makes the lane one that spins when it is idle next.
  void encourage() { park(kMost / 2); }

  AwakeLanes lanes_{2};
  TestedSpin spin_{kMost};
};

TEST_F(SpinTest, TheFirstIdleTimeAndLongOnesAreSleptThrough) {
  pass(1);
  for (int i = 0; i < 10; ++i) park(10 * kMost);
}

TEST_F(SpinTest, WhereWorkCameSoonItLooksForAsLongAsItIsTold) {
  encourage();
  EXPECT_TRUE(spin_.look_again(lanes_));
  pass(kMost - 1);
  EXPECT_TRUE(spin_.look_again(lanes_));
  pass(1);
  EXPECT_FALSE(spin_.look_again(lanes_));
}

TEST_F(SpinTest, WhatItFindsEncouragesIt) {
  encourage();
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(spin_.look_again(lanes_));
    pass(kMost / 2);
    EXPECT_TRUE(spin_.look_again(lanes_));
    spin_.worked();
    pass(1);
  }
}

TEST_F(SpinTest, EachAttemptInVainLetsTwiceAsManyWaitsGoBy) {
  encourage();
  for (const int waits : {1, 3, 7, 15}) {
    EXPECT_TRUE(spin_.look_again(lanes_)) << waits;
    pass(kMost);
    EXPECT_FALSE(spin_.look_again(lanes_));
    pass(kMost);
    spin_.slept();
    pass(1);
    for (int i = 0; i < waits; ++i) park(kMost / 2);
  }
}

TEST_F(SpinTest, ALongBusyTimePaysForAWakeUp) {
  encourage();
  pass(kMost);
  EXPECT_FALSE(spin_.look_again(lanes_));
}

TEST_F(SpinTest, WhereLanesShareACpuItYieldsOnceAndSleeps) {
  encourage();
  lanes_.one_more();
  lanes_.one_more();
  EXPECT_TRUE(spin_.look_again(lanes_)) << "after the others have run";
  EXPECT_FALSE(spin_.look_again(lanes_));
  lanes_.one_less();
  EXPECT_TRUE(spin_.look_again(lanes_)) << "one of them has gone to sleep";
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
