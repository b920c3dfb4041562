// Lanes that wait for shared slots or messages are reminded of them, wherever they wait.
#include "server/pipeline/pipeline_resources.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "server/models/models.h"
#include "services/echo.h"
#include "tests/server/live_pipeline.h"

namespace cpss {
namespace {

PipelineOptions options_with_workers() {
  PipelineOptions options = test::small_pipeline();
  options.worker.lanes = 1;
  options.worker_queue = 1;
  options.on_demand_threads = 1;
  return options;
}

class PipelineResourcesTest : public testing::Test {
 protected:
  explicit PipelineResourcesTest(const PipelineOptions& options = options_with_workers())
      : options_(options) {}

  const PipelineOptions options_;
  const Assignment assignment_ = assignment_of(options_);
  EchoService service_;
  const std::vector<DatagramSocket*> sockets_;
  const AccessControl access_control_{AccessOptions{{}, {}, {}, LocalAddressSet(), false}};
  Scoreboard scoreboard_{lane_names(assignment_), 0, 1, 1, Sharing::process_private};
  PipelineResources resources_{
      {options_, assignment_, service_, sockets_, access_control_, scoreboard_}};
};

// Found in an independent review: the lane that was woken stood still, and the others slept on.
TEST_F(PipelineResourcesTest, SleepersAreRemindedOfWhatTheOneWokenForItHasNotTaken) {
  EXPECT_EQ(resources_.remind(), 0u) << "nobody waits";

  SlotPool::SlotCache cache(resources_.pool, 0, 1);
  std::vector<std::uint32_t> slots(options_.slots);
  ASSERT_EQ(cache.claim(slots), slots.size());
  resources_.pool.free_slots().begin_wait();
  EXPECT_EQ(resources_.remind(), 0u) << "there is nothing for it";
  cache.give_back(std::span(slots).first(1));
  EXPECT_EQ(resources_.remind(), 1u) << "a free slot";

  std::uint32_t reminders = 1;
  for (SlotQueue* queue : {&resources_.requests, &resources_.responses}) {
    SlotQueue::Consumer consumer(*queue, 1);
    consumer.begin_wait();
    SlotQueue::Producer(*queue).put(std::span(slots).subspan(1, 1));
    EXPECT_EQ(resources_.remind(), ++reminders) << "a request, or a reply";
    EXPECT_EQ(consumer.poll_wait(1).status, TakeStatus::taken);
    EXPECT_EQ(resources_.remind(), --reminders) << "it has looked";
    ASSERT_EQ(consumer.try_take(std::span(slots).subspan(1, 1)), 1u);
  }
  EXPECT_EQ(resources_.pool.free_slots().poll_wait(1).tokens, 1u);
  EXPECT_EQ(resources_.remind(), 0u);
}

// Three lanes, as on two CPUs.
PipelineOptions options_of_sharing_lanes() {
  PipelineOptions options = test::small_pipeline();
  options.sharing_lanes = 3;
  options.inline_max = std::chrono::microseconds(50);
  return options;
}

class PipelineResourcesOfSharingLanes : public PipelineResourcesTest {
 protected:
  PipelineResourcesOfSharingLanes() : PipelineResourcesTest(options_of_sharing_lanes()) {}
};

// The lanes came out of the service just before main said that they are held up.
TEST_F(PipelineResourcesOfSharingLanes, ThatLanesAreHeldUpIsTakenBackOnceTheyAreNot) {
  for (std::size_t lane = 0; lane < 3; ++lane) scoreboard_.progress(lane).waits(false);
  resources_.relieve();
  EXPECT_TRUE(resources_.attendance->held_up());
  scoreboard_.progress(0).round();
  resources_.relieve();
  EXPECT_FALSE(resources_.attendance->held_up());
}

// The lane that was called attends from then on: it is to go on receiving, and not to be held up as
// well.
TEST_F(PipelineResourcesOfSharingLanes, ThatLanesAreHeldUpHoldsAsLongAsTheyAre) {
  ASSERT_TRUE(resources_.attendance->go_away(1)) << "the third one";
  for (std::size_t lane = 0; lane < 2; ++lane) scoreboard_.progress(lane).waits(false);
  scoreboard_.progress(2).waits(true);
  resources_.relieve();
  ASSERT_TRUE(resources_.attendance->held_up());
  resources_.attendance->come_back(true);
  scoreboard_.progress(2).waits(false);
  for (int i = 0; i < 3; ++i) {
    scoreboard_.progress(2).round();
    resources_.relieve();
    EXPECT_TRUE(resources_.attendance->held_up());
  }
  scoreboard_.progress(1).round();
  resources_.relieve();
  EXPECT_FALSE(resources_.attendance->held_up());
}

}  // namespace
}  // namespace cpss
