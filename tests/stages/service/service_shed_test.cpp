// What a service lane does with deferred messages that find the worker queue full, under the policy
// `shed`.
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "queue/worker_occupancy.h"
#include "queue/worker_queue.h"
#include "stages/service/service.h"
#include "stages/service/worker.h"
#include "tests/stages/busy_service.h"
#include "tests/stages/rig.h"

namespace cpss {
namespace {

using test::client;
using test::Rig;
using testing::ElementsAre;
using testing::IsEmpty;

// Defers every message; the workers echo them.
class DeferringEcho final : public test::DeferringService {
 public:
  void process_deferred(Message& message, LaneState*) override { test::echo(message); }
  void busy_reply(Message& message) const override { busy_.busy_reply(message); }

 private:
  test::BusyService busy_;
};

// A rig with a service step over a worker queue of two places.
class ServiceShedTest : public testing::TestWithParam<bool> {
 protected:
  static constexpr std::uint32_t kBatch = 32;
  static constexpr std::uint32_t kPlaces = 2;
  static constexpr std::uint32_t kPoolLanes = 5;

  void build(std::uint32_t busy_rate) {
    budget_ = std::make_unique<BusyBudget>(busy_rate);
    build_blocking();
  }
  // Without a budget a message that finds no place waits for one.
  void build_blocking() {
    step_ = std::make_unique<ServiceStep>(
        ServiceStep::Wiring{user_, rig_.store, rig_.requests, rig_.responses, cost_, kBatch, 1,
                            ServiceStep::Deferral{queue_, occupancy_, GetParam(), budget_.get()}},
        lane_, rig_.ledger.open());
  }
  // Brings one batch of messages into the request queue.
  void receive(const std::vector<std::string>& requests) {
    for (std::size_t i = 0; i < requests.size(); ++i)
      rig_.deliver(requests[i], client(static_cast<unsigned>(i)));
    ASSERT_EQ(rig_.receive.run().moved, requests.size());
  }
  // Brings one batch of messages through the service step.
  void serve(const std::vector<std::string>& requests) {
    receive(requests);
    ASSERT_EQ(step_->run().moved, requests.size());
    rig_.expect_ledger();
  }
  std::vector<std::string> respond() {
    while (rig_.response.run().moved > 0) {
    }
    return rig_.replies();
  }
  void run_worker() {
    while (worker_.run().moved > 0) {
    }
  }
  // The workers take their messages, and all steps come to rest.
  std::vector<std::string> finish() {
    run_worker();
    const auto replies = respond();
    step_->before_wait();
    rig_.expect_at_rest();
    return replies;
  }

  DeferringEcho user_;
  Rig rig_{user_};
  test::Own<WorkerQueue> queue_{kPlaces};
  WorkerOccupancy occupancy_{1, 0};
  LaneContext lane_{rig_.pool, 2 * kBatch, kPoolLanes};
  LaneContext worker_lane_{rig_.pool, 0, kPoolLanes};
  StepCost cost_;
  std::unique_ptr<BusyBudget> budget_;
  std::unique_ptr<ServiceStep> step_;
  WorkerStep worker_{
      {{user_, rig_.store, rig_.responses}, queue_, occupancy_}, worker_lane_, rig_.ledger.open()};
};

TEST_P(ServiceShedTest, WhatFindsNoPlaceIsAnsweredBusyThroughResponse) {
  build(10'000'000);
  serve({"b", "b", "bb", "www", "bbbb"});
  EXPECT_THAT(respond(), ElementsAre("BB", "WWW", "BBBB"));
  EXPECT_EQ(rig_.total(Counter::deferred), kPlaces);
  EXPECT_EQ(rig_.total(Reason::shed_worker_queue_full), 3u);
  EXPECT_EQ(rig_.total(Reason::shed_no_slot), 0u);
  EXPECT_EQ(rig_.total(Counter::busy_replies), 3u);
  EXPECT_THAT(finish(), ElementsAre("b", "b"));
  EXPECT_EQ(rig_.total(Reason::answered), kPlaces);
}

// Run inline, the step may not wait for places.
TEST_P(ServiceShedTest, InlineWhereItMayNotShedItLeavesWhatFindsNoPlaceToTheServiceLanes) {
  build_blocking();
  receive({"b", "b", "bb", "bbb", "bbbb"});
  std::vector<std::uint32_t> slots = test::take_from(rig_.requests, 5);
  ASSERT_EQ(slots.size(), 5u);

  const auto rest = step_->run_inline(slots, monotonic_ns());
  EXPECT_THAT(rest, ElementsAre(slots[2], slots[3], slots[4]));
  EXPECT_EQ(rig_.total(Counter::deferred), kPlaces);
  EXPECT_EQ(queue_->ready_guess(), kPlaces);
  // As the lane does that ran the step inline.
  SlotQueue::Producer(rig_.requests).put(rest);

  run_worker();
  slots = test::take_from(rig_.requests, kPlaces);
  ASSERT_EQ(slots.size(), kPlaces);
  EXPECT_THAT(step_->run_inline(slots, monotonic_ns()), IsEmpty());
  run_worker();
  ASSERT_EQ(step_->run().moved, 1u);
  EXPECT_EQ(finish().size(), 5u);
  EXPECT_EQ(rig_.total(Reason::answered), 5u);
}

TEST_P(ServiceShedTest, InvalidAndRefusedAreDecidedFirst) {
  build(10'000'000);
  serve({"b", "b", "i", "r", "b"});
  EXPECT_EQ(rig_.total(Reason::invalid_bad_magic), 1u);
  EXPECT_EQ(rig_.total(Reason::refused_by_service), 1u);
  EXPECT_THAT(respond(), ElementsAre("B"));
  EXPECT_EQ(rig_.total(Reason::shed_worker_queue_full), 1u);
  finish();
}

TEST_P(ServiceShedTest, InvalidIsDecidedFirstWithoutABudgetToo) {
  build(0);
  serve({"b", "b", "i", "b"});
  EXPECT_EQ(rig_.total(Reason::invalid_bad_magic), 1u);
  EXPECT_EQ(rig_.total(Reason::shed_worker_queue_full), 1u);
  EXPECT_THAT(respond(), IsEmpty());
  finish();
}

TEST_P(ServiceShedTest, WhatHasNoReplyTakesNothingOfTheBudget) {
  build(1);
  serve({"b", "b", "i", "s", "n", "d", "x", "t", "bb", "bb"});
  EXPECT_THAT(respond(), ElementsAre("BB"));
  EXPECT_EQ(rig_.total(Counter::busy_replies), 1u);
  EXPECT_EQ(rig_.total(Reason::shed_worker_queue_full), 7u);
  finish();
}

TEST_P(ServiceShedTest, AServiceThatThrowsHasSaidNothing) {
  build(10'000'000);
  serve({"b", "b", "t", "b"});
  EXPECT_THAT(respond(), ElementsAre("B"));
  EXPECT_EQ(rig_.total(Reason::shed_worker_queue_full), 2u);
  EXPECT_THAT(test::events_of(lane_.events), ElementsAre(test::says_service_threw("asked to")));
  finish();
}

TEST_P(ServiceShedTest, ABusyReplyThatTheKernelDoesNotTakeIsDropped) {
  build(10'000'000);
  serve({"b", "b", "b", "b"});
  rig_.socket().fail_sends(EAGAIN);
  EXPECT_THAT(respond(), IsEmpty());
  EXPECT_EQ(rig_.socket().counts().wait_calls, 0u);
  EXPECT_EQ(rig_.total(Reason::shed_worker_queue_full), 2u);
  EXPECT_EQ(rig_.total(Counter::busy_replies), 0u);
  finish();
}

TEST_P(ServiceShedTest, APlaceThatBecomesFreeIsUsed) {
  build(10'000'000);
  serve({"b", "b", "b"});
  ASSERT_EQ(worker_.run().moved, 1u);
  serve({"b", "b"});
  EXPECT_EQ(rig_.total(Counter::deferred), 3u);
  EXPECT_THAT(respond(), ElementsAre("B", "b", "B"));
  EXPECT_EQ(rig_.total(Reason::shed_worker_queue_full), 2u);
  finish();
  EXPECT_EQ(rig_.total(Reason::answered), 3u);
}

INSTANTIATE_TEST_SUITE_P(DeferAll, ServiceShedTest, testing::Bool(),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace cpss
