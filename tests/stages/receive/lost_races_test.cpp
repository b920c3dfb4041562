// Which lost races of a lane are counted, and how seldom its thread is asked how often it slept.
#include "stages/receive/lost_races.h"

#include <cstdint>

#include <gtest/gtest.h>

namespace cpss {
namespace {

std::uint64_t slept = 0;
std::uint64_t asked = 0;
std::uint64_t fake_times_slept() noexcept {
  ++asked;
  return slept;
}

class LostRacesTest : public testing::Test {
 protected:
  using Tested = BasicLostRaces<fake_times_slept>;
  static constexpr std::uint64_t kSpan = Tested::kSpanNs;
  static constexpr std::uint64_t kMeasured = Tested::kMeasured;

  LostRacesTest() { slept = asked = 0; }

  // A wait in which the lane sleeps `sleeps` times.
  std::uint64_t wait(std::uint64_t sleeps) {
    return races_.during(now_, [sleeps] { slept += sleeps; });
  }

  Tested races_;
  std::uint64_t now_ = 5 * kSpan;
};

TEST_F(LostRacesTest, EverySleepButTheLastOfAWaitIsOne) {
  EXPECT_EQ(wait(1), 0u);
  EXPECT_EQ(wait(0), 0u) << "something was there already";
  EXPECT_EQ(wait(3), 2u);
}

TEST_F(LostRacesTest, SleepsBetweenTheWaitsAreNone) {
  EXPECT_EQ(wait(1), 0u);
  slept += 100;  // in a service
  EXPECT_EQ(wait(1), 0u);
}

// To ask at each wait would take two system calls, as long as the wait itself, for a statistic.
TEST_F(LostRacesTest, TheThreadIsAskedForAFewWaitsOfASpanOnly) {
  for (int i = 0; i < 10'000; ++i) wait(1);
  EXPECT_EQ(asked, 2 * kMeasured);
  now_ += kSpan - 1;
  wait(1);
  EXPECT_EQ(asked, 2 * kMeasured);
  now_ += 1;
  wait(1);
  EXPECT_EQ(asked, 2 * kMeasured + 2);
}

TEST_F(LostRacesTest, ThoseStandForTheOthers) {
  std::uint64_t counted = 0;
  for (std::uint64_t i = 0; i < 10 * kMeasured; ++i) counted += wait(2);
  EXPECT_EQ(counted, kMeasured) << "one in each that was measured";
  now_ += kSpan;
  EXPECT_EQ(wait(1), 9 * kMeasured) << "and one in each that was not";
  now_ += kSpan;
  EXPECT_EQ(wait(1), 0u) << "once";
}

}  // namespace
}  // namespace cpss
