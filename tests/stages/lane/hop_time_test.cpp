#include "stages/lane/hop_time.h"

#include <gtest/gtest.h>

namespace cpss {
namespace {

constexpr std::uint64_t kNow = 5'000'000'000;

TEST(HopTimeTest, WhatIsNotKnownCountsAsShort) {
  EXPECT_EQ(HopTime().expected(kNow), HopTime::kShortest);
}

TEST(HopTimeTest, ItFollowsTheSamples) {
  HopTime hop;
  for (int i = 0; i < 50; ++i) hop.note(100'000, kNow);
  EXPECT_NEAR(static_cast<double>(hop.expected(kNow)), 100'000, 1'000);
  for (int i = 0; i < 50; ++i) hop.note(20'000, kNow);
  EXPECT_NEAR(static_cast<double>(hop.expected(kNow)), 20'000, 1'000);
}

TEST(HopTimeTest, OneSampleSaysLittleHoweverLongItIs) {
  HopTime hop;
  hop.note(3'600'000'000'000, kNow);
  EXPECT_LE(hop.expected(kNow), HopTime::kLongest / 2);
}

TEST(HopTimeTest, WithoutSamplesItForgets) {
  HopTime hop;
  for (int i = 0; i < 50; ++i) hop.note(HopTime::kLongest, kNow);
  EXPECT_GT(hop.expected(kNow), 900'000u);
  EXPECT_LT(hop.expected(kNow + 2 * HopTime::kHalfLife), 300'000u);
  EXPECT_EQ(hop.expected(kNow + 100 * HopTime::kHalfLife), HopTime::kShortest);
}

TEST(HopTimeTest, AClockThatIsBehindIsNoMatter) {
  HopTime hop;
  for (int i = 0; i < 50; ++i) hop.note(100'000, kNow);
  EXPECT_GT(hop.expected(kNow - 1), 90'000u);
}

}  // namespace
}  // namespace cpss
