#include "stats/region_state.h"

#include <gtest/gtest.h>

namespace cpss {
namespace {

constexpr std::uint64_t kJustNow = kHungAfterNs - 1;
constexpr std::uint64_t kLongAgo = kHungAfterNs;

RegionState of_a_ready_one(std::uint64_t silence_ns, RegionLock lock, Running process) {
  return judge({.ready = true, .silence_ns = silence_ns, .lock = lock, .process = process});
}

TEST(RegionStateTest, AHeartbeatAndALockAreALiveServerWhoeverItIs) {
  for (const Running process : {Running::yes, Running::unknown}) {
    EXPECT_EQ(of_a_ready_one(kJustNow, RegionLock::held, process), RegionState::live);
    EXPECT_EQ(of_a_ready_one(kLongAgo, RegionLock::held, process), RegionState::hung);
  }
}

// A child process may still hold the lock of a parent that is gone.
TEST(RegionStateTest, WhoIsKnownToBeGoneIsGone) {
  for (const RegionLock lock : {RegionLock::held, RegionLock::free, RegionLock::unknown})
    for (const std::uint64_t silence_ns : {kJustNow, kLongAgo})
      EXPECT_EQ(of_a_ready_one(silence_ns, lock, Running::no), RegionState::stale);
}

TEST(RegionStateTest, AFreeLockIsAServerThatIsGoneAlsoRightAfterItsHeartbeat) {
  EXPECT_EQ(of_a_ready_one(0, RegionLock::free, Running::unknown), RegionState::stale);
}

// A copy of the file has no lock; a file system may have lost one.
TEST(RegionStateTest, WithoutItsLockARunningProcessHasToShowThatTheFileIsIts) {
  EXPECT_EQ(of_a_ready_one(kJustNow, RegionLock::free, Running::yes), RegionState::live);
  EXPECT_EQ(of_a_ready_one(kLongAgo, RegionLock::free, Running::yes), RegionState::stale);
}

TEST(RegionStateTest, WhereThereAreNoLocksProcessAndHeartbeatDecide) {
  EXPECT_EQ(of_a_ready_one(kJustNow, RegionLock::unknown, Running::yes), RegionState::live);
  EXPECT_EQ(of_a_ready_one(kLongAgo, RegionLock::unknown, Running::yes), RegionState::hung);
  EXPECT_EQ(of_a_ready_one(kJustNow, RegionLock::unknown, Running::unknown), RegionState::live);
  EXPECT_EQ(of_a_ready_one(kLongAgo, RegionLock::unknown, Running::unknown), RegionState::stale);
}

TEST(RegionStateTest, OneThatStartsIsExpectedToBeSilent) {
  EXPECT_EQ(judge({.silence_ns = kLongAgo, .lock = RegionLock::held, .process = Running::unknown}),
            RegionState::starting);
  EXPECT_EQ(judge({.silence_ns = kLongAgo, .lock = RegionLock::held, .process = Running::no}),
            RegionState::stale);
}

}  // namespace
}  // namespace cpss
