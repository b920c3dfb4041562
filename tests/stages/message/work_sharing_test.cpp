#include "stages/message/work_sharing.h"

#include <array>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "base/file_descriptor.h"
#include "tests/stages/own.h"

namespace cpss {
namespace {

constexpr std::uint64_t kNow = 5'000'000'000;
constexpr std::uint64_t kMax = 50'000;

// Three lanes on two CPUs, of which lane 0 is the one that is asked.
class WorkSharingTest : public testing::Test {
 protected:
  WorkSharingTest() { awake_.note_awake(0); }

  void each_takes(std::uint64_t service_ns, std::uint64_t response_ns) {
    service_.note(service_ns, 1);
    response_.note(response_ns, 1);
  }
  bool somebody_is_called() const {
    pollfd call{call_event_.get(), POLLIN, 0};
    return poll(&call, 1, 0) == 1;
  }

  FileDescriptor call_event_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)};
  FileDescriptor requests_event_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  test::Own<SlotQueue> requests_{256, WakeOptions{{}, requests_event_.get()}};
  SlotQueue::Consumer sleeper_{requests_, 1};
  Attendance attendance_{3, call_event_.get()};
  std::array<AwakeLanes::Word, 1> bits_{};
  AwakeLanes awake_{2, bits_};
  HopTime hop_;
  StepCost service_, response_;
  WorkSharing sharing_{{requests_, attendance_, awake_, hop_, service_, response_, kMax, 2, 3}};
};

TEST_F(WorkSharingTest, WhileNothingIsKnownItIsOneAtATime) {
  EXPECT_EQ(sharing_.max(), 1u);
  EXPECT_EQ(sharing_.portion(64, 0, kNow), 1u);
  each_takes(0, 0);
  EXPECT_GT(sharing_.max(), 1'000u);
}

TEST_F(WorkSharingTest, NoMoreThanFitsIntoTheLongestTime) {
  each_takes(4'000, 900);
  EXPECT_EQ(sharing_.max(), 10u);
  EXPECT_EQ(sharing_.portion(64, 0, kNow), 10u);
  each_takes(1'000'000, 1'000);
  for (int i = 0; i < 50; ++i) each_takes(1'000'000, 1'000);
  EXPECT_EQ(sharing_.max(), 1u);
  EXPECT_EQ(sharing_.portion(64, 0, kNow), 1u) << "one always";
}

TEST_F(WorkSharingTest, AnotherLaneGetsHalfIfItSleepsAndACpuIsFree) {
  each_takes(500, 500);
  EXPECT_EQ(sharing_.portion(32, 0, kNow), 32u) << "nobody sleeps";
  sleeper_.begin_wait();
  EXPECT_EQ(sharing_.portion(32, 0, kNow), 16u);
  awake_.note_awake(1);
  EXPECT_EQ(sharing_.portion(32, 0, kNow), 32u) << "no CPU is free";
  sleeper_.end_wait();
}

TEST_F(WorkSharingTest, WhatIsNotWorthAHopStays) {
  sleeper_.begin_wait();
  each_takes(100, 100);
  EXPECT_EQ(sharing_.portion(32, 0, kNow), 32u) << "6.4 us";
  EXPECT_EQ(sharing_.portion(64, 0, kNow), 32u);
  for (int i = 0; i < 50; ++i) sharing_.note_hop(100'000, kNow);
  EXPECT_EQ(sharing_.portion(64, 0, kNow), 64u) << "hops take long: the CPUs have other work";
  sleeper_.end_wait();
}

TEST_F(WorkSharingTest, WhatTheLaneHoldsBehindABatchIsNotKeptWaiting) {
  each_takes(500, 500);
  EXPECT_EQ(sharing_.portion(32, 100, kNow), 0u);
  EXPECT_EQ(sharing_.portion(3, 1, kNow), 0u);
}

TEST_F(WorkSharingTest, MessagesThatNobodyWaitsForCallALaneThatIsAway) {
  ASSERT_TRUE(attendance_.go_away(1));
  sleeper_.begin_wait();
  sharing_.queued();
  EXPECT_FALSE(somebody_is_called()) << "a lane waits for them";
  sleeper_.end_wait();
  sharing_.queued();
  EXPECT_TRUE(somebody_is_called());
}

TEST_F(WorkSharingTest, WhatTookLongerThanExpectedCallsALaneIfACpuIsFree) {
  ASSERT_TRUE(attendance_.go_away(1));
  sharing_.held_up(kMax);
  EXPECT_FALSE(somebody_is_called());
  awake_.note_awake(1);
  sharing_.held_up(kMax + 1);
  EXPECT_FALSE(somebody_is_called()) << "no CPU is free";
  awake_.note_asleep(1);
  sharing_.held_up(kMax + 1);
  EXPECT_TRUE(somebody_is_called());
}

TEST_F(WorkSharingTest, AFewShortMessagesAreNotWorthWakingALane) {
  each_takes(500, 500);
  EXPECT_FALSE(sharing_.worth_waking(0));
  EXPECT_FALSE(sharing_.worth_waking(9));
  EXPECT_TRUE(sharing_.worth_waking(11));
}

}  // namespace
}  // namespace cpss
