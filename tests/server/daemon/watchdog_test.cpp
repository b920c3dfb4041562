#include "server/daemon/watchdog.h"

#include <gtest/gtest.h>

namespace cpss {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kInterval{1000};
constexpr LanePulse kWaiting{.rounds = 7, .waiting = true};

constexpr LanePulse busy(std::uint64_t rounds) {
  return {.rounds = rounds, .waiting = false};
}

class WatchdogTest : public testing::Test {
 protected:
  // Looks `after` after the first look.
  bool due(milliseconds after, std::vector<LanePulse> lanes) {
    return watchdog_.due(Watchdog::TimePoint{} + std::chrono::hours(1) + after, lanes);
  }
  bool first_look(std::vector<LanePulse> lanes) { return due(milliseconds(0), std::move(lanes)); }
  std::optional<std::size_t> stuck_lane() const { return watchdog_.stuck_lane(); }

 private:
  Watchdog watchdog_{kInterval};
};

TEST_F(WatchdogTest, IsDueAtOnceAndThenAtEachHalfOfTheInterval) {
  EXPECT_TRUE(first_look({kWaiting}));
  EXPECT_FALSE(due(milliseconds(1), {kWaiting}));
  EXPECT_FALSE(due(milliseconds(499), {kWaiting}));
  EXPECT_TRUE(due(milliseconds(500), {kWaiting}));
  EXPECT_FALSE(due(milliseconds(999), {kWaiting}));
  EXPECT_TRUE(due(milliseconds(1030), {kWaiting}));
  EXPECT_FALSE(due(milliseconds(1500), {kWaiting}));
  EXPECT_TRUE(due(milliseconds(1530), {kWaiting}));
}

TEST_F(WatchdogTest, ALaneThatIsStuckDelaysItUntilItMoves) {
  EXPECT_TRUE(first_look({busy(1)}));
  EXPECT_FALSE(due(milliseconds(500), {busy(1)}));
  EXPECT_FALSE(due(milliseconds(5000), {busy(1)}));
  EXPECT_TRUE(due(milliseconds(5100), {busy(2)}));
  EXPECT_FALSE(due(milliseconds(5599), {busy(3)}));
  EXPECT_TRUE(due(milliseconds(5600), {busy(3)}));
}

TEST_F(WatchdogTest, OneStuckLaneAmongOthersIsEnoughAndIsNamed) {
  EXPECT_TRUE(first_look({busy(1), kWaiting, busy(1), busy(9)}));
  EXPECT_EQ(stuck_lane(), std::nullopt);
  EXPECT_FALSE(due(milliseconds(500), {busy(2), kWaiting, busy(1), busy(10)}));
  EXPECT_EQ(stuck_lane(), 2u);
  EXPECT_TRUE(due(milliseconds(600), {busy(2), kWaiting, busy(2), busy(10)}));
  EXPECT_EQ(stuck_lane(), std::nullopt);
}

TEST_F(WatchdogTest, ALaneThatWaitsNeedNotMove) {
  EXPECT_TRUE(first_look({{.rounds = 4, .waiting = true}}));
  EXPECT_TRUE(due(milliseconds(500), {{.rounds = 4, .waiting = true}}));
}

TEST_F(WatchdogTest, ALaneThatHasBeenWokenHasTimeUntilTheNext) {
  EXPECT_TRUE(first_look({{.rounds = 4, .waiting = true}}));
  EXPECT_TRUE(due(milliseconds(500), {busy(4)}));
  EXPECT_FALSE(due(milliseconds(1000), {busy(4)}));
}

TEST_F(WatchdogTest, ALaneThatHasComeToWaitIsNotStuck) {
  EXPECT_TRUE(first_look({busy(4)}));
  EXPECT_TRUE(due(milliseconds(500), {{.rounds = 4, .waiting = true}}));
}

// A lane in a long round: it has moved since the watchdog was last due, though not since its last
// look.
TEST_F(WatchdogTest, ProgressCountsFromTheLastTimeItWasDue) {
  EXPECT_TRUE(first_look({busy(1)}));
  EXPECT_FALSE(due(milliseconds(400), {busy(2)}));
  EXPECT_TRUE(due(milliseconds(500), {busy(2)}));
}

TEST_F(WatchdogTest, RoundsThatHaveWrappedRoundHaveMoved) {
  EXPECT_TRUE(first_look({busy(std::uint64_t{0} - 1)}));
  EXPECT_TRUE(due(milliseconds(500), {busy(0)}));
}

TEST_F(WatchdogTest, OtherLanesThanTheLastTimeAreADefect) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_TRUE(first_look({busy(1)}));
  EXPECT_DEATH(due(milliseconds(500), {busy(2), busy(2)}), "the lanes are the same");
}

}  // namespace
}  // namespace cpss
