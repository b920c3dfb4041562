#include "stages/lane/attendance.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "base/file_descriptor.h"

namespace cpss {
namespace {

class AttendanceTest : public testing::Test {
 protected:
  // Whether somebody has been called, who comes within the time.
  bool called(int wait_ms = 0) const {
    pollfd call{call_event_.get(), POLLIN, 0};
    return poll(&call, 1, wait_ms) == 1;
  }

  FileDescriptor call_event_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)};
  Attendance lanes_{3, call_event_.get()};
};

TEST_F(AttendanceTest, ALaneGoesAwayOnlyWhileMoreAttendThanAreWanted) {
  EXPECT_TRUE(lanes_.go_away(2));
  EXPECT_FALSE(lanes_.go_away(2));
  EXPECT_TRUE(lanes_.go_away(1));
  EXPECT_FALSE(lanes_.go_away(1)) << "one attends";
  EXPECT_EQ(lanes_.away(), 2u);
  lanes_.come_back(false);
  EXPECT_EQ(lanes_.away(), 1u);
  EXPECT_TRUE(lanes_.go_away(1));
}

TEST_F(AttendanceTest, ThatLanesHadToShareACpuIsForgottenAfterASecond) {
  EXPECT_FALSE(lanes_.crowded());
  lanes_.next_time_away();
  for (int tick = 0; tick < 10; ++tick) {
    EXPECT_TRUE(lanes_.crowded()) << tick;
    lanes_.age();
  }
  lanes_.next_time_away();
  for (int tick = 0; tick <= 10; ++tick) lanes_.age();
  EXPECT_FALSE(lanes_.crowded());
  EXPECT_EQ(lanes_.next_time_away(), Attendance::kAway);
}

TEST_F(AttendanceTest, TheLastLaneThatIsNotBlockedDoesNotBlock) {
  EXPECT_TRUE(lanes_.begin_blocking());
  EXPECT_TRUE(lanes_.may_block());
  EXPECT_TRUE(lanes_.begin_blocking());
  EXPECT_FALSE(lanes_.may_block());
  EXPECT_FALSE(lanes_.begin_blocking());
  EXPECT_FALSE(lanes_.go_away(1));
  lanes_.end_blocking();
  EXPECT_TRUE(lanes_.begin_blocking());
  EXPECT_FALSE(called()) << "none was away";
}

TEST_F(AttendanceTest, WhoBlocksCallsALaneThatIsAway) {
  ASSERT_TRUE(lanes_.go_away(1));
  ASSERT_TRUE(lanes_.go_away(1));
  EXPECT_TRUE(lanes_.begin_blocking());
  EXPECT_TRUE(called());
  lanes_.come_back(true);
  EXPECT_FALSE(called()) << "one call is for one lane";
  EXPECT_TRUE(lanes_.begin_blocking());
  EXPECT_TRUE(called());
  lanes_.come_back(true);
  EXPECT_FALSE(lanes_.begin_blocking()) << "two are blocked";
}

TEST_F(AttendanceTest, ACallIsForLanesThatAreAway) {
  lanes_.call();
  EXPECT_FALSE(called());
  ASSERT_TRUE(lanes_.go_away(1));
  lanes_.call();
  lanes_.call();
  EXPECT_TRUE(called());
  lanes_.come_back(true);
  EXPECT_TRUE(called()) << "each call is one lane's";
}

TEST_F(AttendanceTest, AtTheEndAllMayBlock) {
  ASSERT_TRUE(lanes_.begin_blocking());
  ASSERT_TRUE(lanes_.begin_blocking());
  lanes_.end();
  EXPECT_TRUE(lanes_.may_block());
  EXPECT_TRUE(lanes_.begin_blocking());
}

TEST_F(AttendanceTest, LanesThatShareTheirCpusAreAwayForLongerEachTime) {
  EXPECT_FALSE(lanes_.crowded());
  EXPECT_EQ(lanes_.next_time_away(), Attendance::kAway);
  EXPECT_TRUE(lanes_.crowded());
  EXPECT_EQ(lanes_.next_time_away(), 2 * Attendance::kAway);
  for (int i = 0; i < 20; ++i) lanes_.next_time_away();
  EXPECT_LE(lanes_.next_time_away(), 100 * Attendance::kAway);
  lanes_.there_is_room();
  EXPECT_FALSE(lanes_.crowded());
  EXPECT_EQ(lanes_.next_time_away(), Attendance::kAway);
}

TEST_F(AttendanceTest, HeldUpUntilOneComesOut) {
  EXPECT_FALSE(lanes_.held_up());
  lanes_.set_held_up(true);
  EXPECT_TRUE(lanes_.held_up());
  lanes_.came_out();
  EXPECT_FALSE(lanes_.held_up());
}

// Lanes go away for good and block as they like: if the last one went away, this would not end.
// (That a call is lost shows in WhoBlocksCallsALaneThatIsAway.)
TEST_F(AttendanceTest, WhateverTheyDoOneAttendsOrIsCalled) {
  constexpr int kRounds = 500;
  std::atomic<int> blocked{0}, done{0};
  std::vector<std::thread> threads;
  for (int lane = 0; lane < 3; ++lane)
    threads.emplace_back([&] {
      for (int i = 0; i < kRounds; ++i) {
        if (lanes_.go_away(1)) {
          // The last that is not done yet must not sleep for ever: nobody is left to call it.
          while (!called(20) && done == 0) {
          }
          lanes_.come_back(called());
        }
        if (!lanes_.begin_blocking()) continue;
        EXPECT_LE(++blocked, 2);
        std::this_thread::yield();
        --blocked;
        lanes_.end_blocking();
      }
      ++done;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(lanes_.away(), 0u);
  EXPECT_TRUE(lanes_.go_away(2));
  EXPECT_FALSE(lanes_.go_away(2)) << "all three attended";
}

}  // namespace
}  // namespace cpss
