// When a lane runs the next stage's step itself, and when it puts messages into its queue.
#include "stages/message/inline_dispatch.h"

#include <cerrno>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stages/message/stage_output.h"
#include "tests/stages/rig.h"
#include "tests/support/eventually.h"

namespace cpss {
namespace {

using test::CallService;
using test::Rig;

// The steps of one lane that may run both stages behind receive, over the rig's queues, and threads
// that wait at these queues as the lanes of those stages do.
class InlineDispatchTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kMaxNs = 50'000;

  // A consumer that waits at the queue until it is given a message, or until its destructor closes
  // the queue.
  class Idler {
   public:
    explicit Idler(SlotQueue& queue)
        : queue_(queue), consumer_(queue, 1), thread_([this] { consumer_.wait(1); }) {
      EXPECT_TRUE(eventually([this] { return queue_.idle_guess(1); }));
    }
    ~Idler() {
      queue_.close();
      thread_.join();
    }
    Idler(const Idler&) = delete;
    Idler& operator=(const Idler&) = delete;

   private:
    SlotQueue& queue_;
    SlotQueue::Consumer consumer_;
    std::thread thread_;
  };

  explicit InlineDispatchTest(bool one_cpu = false, bool runs_all = false)
      : response_({.sockets = {&rig_.socket()},
                   .store = rig_.store,
                   .responses = rig_.responses,
                   .cost = rig_.response_cost,
                   .batch = 32,
                   .lanes = 1,
                   .longest_wait = std::chrono::seconds(60),
                   .keeps_unsent = runs_all},
                  lane_, response_stats_),
        responses_({rig_.responses, 1, rig_.response_cost, kMaxNs, one_cpu}, response_, lane_),
        service_({user_, rig_.store, rig_.requests, rig_.responses, rig_.service_cost, 32, 1},
                 lane_, service_stats_, responses_),
        requests_({rig_.requests, 1, rig_.service_cost, kMaxNs, one_cpu}, service_, lane_) {
    rig_.service_cost.note(1'000, 1);
    rig_.response_cost.note(1'000, 1);
  }

  // Receive hands on a batch of `messages` messages.
  void hand_on(std::size_t messages) { hand_on(messages, requests_); }
  void hand_on(std::size_t messages, const InlineDispatch& inline_dispatch) {
    StatsWriter receive = rig_.ledger.open();
    StageOutput output(rig_.requests, 32, rig_.store, receive, inline_dispatch);
    std::vector<std::uint32_t> slots(messages);
    ASSERT_EQ(lane_.cache.claim(slots), messages);
    receive.add(Counter::received, messages);
    receive.add(Counter::filled, messages);
    receive.add(Counter::entered, messages);
    for (const std::uint32_t slot : slots) {
      SlotHeader& header = rig_.store.header(slot);
      header.peer = test::client();
      header.request_length = 2;
      header.socket_index = 0;
      header.shed = false;
      rig_.store.occupy(slot);
      output.add(slot);
    }
    output.hand_on(1000);
  }
  // Nothing is inside, and the lane too has given its slots back.
  void expect_at_rest() {
    lane_.cache.give_all_back();
    rig_.expect_at_rest();
  }
  std::uint64_t futex_calls() const { return rig_.total(Counter::futex_wakes); }

  int defers_ = 0;  // the next so many messages are deferred
  CallService user_{[this](Message& message) {
    if (defers_-- > 0)
      message.defer();
    else
      test::echo(message);
  }};
  Rig rig_{user_};
  LaneContext lane_{rig_.pool, 64, 4};
  StatsWriter response_stats_ = rig_.ledger.open();
  StatsWriter service_stats_ = rig_.ledger.open();
  ResponseStep response_;
  InlineDispatch responses_;
  ServiceStep service_;
  InlineDispatch requests_;
};

TEST_F(InlineDispatchTest, WithNothingElseToDoItGoesAllTheWay) {
  const Idler service(rig_.requests);
  const Idler response(rig_.responses);
  lane_.input_empty = true;
  hand_on(3);
  EXPECT_EQ(rig_.socket().sent().size(), 3u);
  EXPECT_EQ(futex_calls(), 0u);
  EXPECT_EQ(rig_.total(Counter::queue_wait_ns), 0u);
  EXPECT_EQ(rig_.ledger.recorded(HistogramId::wait_ns), 6u) << "of both stages, none";
  EXPECT_EQ(service_stats_.value(Counter::entered), 3u);
  EXPECT_EQ(response_stats_.value(Counter::completed), 3u);
  expect_at_rest();
}

TEST_F(InlineDispatchTest, WithMoreToTakeItHandsOver) {
  const Idler service(rig_.requests);
  lane_.input_empty = false;
  hand_on(3);
  EXPECT_EQ(rig_.socket().sent().size(), 0u);
  EXPECT_EQ(service_stats_.value(Counter::entered), 0u);
}

TEST_F(InlineDispatchTest, WhereTheNextStageIsAtWorkItHandsOver) {
  lane_.input_empty = true;  // but no lane waits for requests
  hand_on(3);
  EXPECT_EQ(rig_.requests.ready_guess(), 3u);
  ASSERT_TRUE(rig_.settle());
  EXPECT_EQ(rig_.socket().sent().size(), 3u);
}

TEST_F(InlineDispatchTest, WhatTakesLongIsHandedOver) {
  const Idler service(rig_.requests);
  const Idler response(rig_.responses);
  lane_.input_empty = true;
  for (int i = 0; i < 100; ++i) rig_.service_cost.note(20'000, 1);
  hand_on(3);
  EXPECT_EQ(rig_.socket().sent().size(), 0u);
}

TEST_F(InlineDispatchTest, ItRunsServiceInlineAndQueuesForABusyResponse) {
  const Idler service(rig_.requests);
  lane_.input_empty = true;
  hand_on(3);
  EXPECT_EQ(service_stats_.value(Counter::entered), 3u);
  EXPECT_EQ(rig_.responses.ready_guess(), 3u);
  ASSERT_TRUE(rig_.settle());
  expect_at_rest();
}

// A lane that runs response inline does not wait for the kernel: the response lanes do.
TEST_F(InlineDispatchTest, RepliesThatFindNoRoomGoToTheResponseLanes) {
  const Idler service(rig_.requests);
  {
    const Idler response(rig_.responses);
    lane_.input_empty = true;
    rig_.socket().accept_at_most(1);
    rig_.socket().fail_sends(EAGAIN);
    hand_on(3);
    EXPECT_EQ(response_stats_.value(Counter::entered), 1u);
    EXPECT_EQ(rig_.socket().counts().wait_calls, 0u);
    EXPECT_EQ(futex_calls(), 1u);
  }
  ASSERT_TRUE(rig_.settle());
  EXPECT_EQ(rig_.socket().sent().size(), 3u);
  EXPECT_EQ(rig_.total(Reason::answered), 3u);
  expect_at_rest();
}

// process_deferred() may block where there are no workers: the service lanes call it.
TEST_F(InlineDispatchTest, WhatTheServiceDefersIsLeftToTheServiceLanes) {
  {
    const Idler service(rig_.requests);
    const Idler response(rig_.responses);
    lane_.input_empty = true;
    defers_ = 2;
    hand_on(3);
    EXPECT_EQ(rig_.total(Counter::deferred_in_place), 0u);
    EXPECT_EQ(rig_.socket().sent().size(), 1u);
  }
  ASSERT_TRUE(rig_.settle());
  expect_at_rest();
  EXPECT_EQ(service_stats_.value(Counter::entered), 1u);
  EXPECT_EQ(rig_.total(Reason::answered), 3u);
}

// --- a lane that runs all steps as its own ---

class RunsAllStepsTest : public InlineDispatchTest {
 protected:
  RunsAllStepsTest() : InlineDispatchTest(false, true) {}

  static InlineWiring always(const SlotQueue& queue, const StepCost& cost) {
    return {
        .queue = queue, .lanes = 1, .cost = cost, .max_ns = 0, .one_cpu = false, .always = true};
  }

  InlineDispatch to_response_{always(rig_.responses, rig_.response_cost), response_, lane_};
  ServiceStep all_service_{{.service = user_,
                            .store = rig_.store,
                            .requests = rig_.requests,
                            .responses = rig_.responses,
                            .cost = rig_.service_cost,
                            .batch = 32,
                            .lanes = 1,
                            .keeps_deferred = true},
                           lane_,
                           service_stats_,
                           to_response_};
  InlineDispatch to_service_{always(rig_.requests, rig_.service_cost), all_service_, lane_};
};

// More to take, no lane waits behind the queues, and each message takes long.
TEST_F(RunsAllStepsTest, NothingKeepsItFromGoingOn) {
  lane_.input_empty = false;
  for (int i = 0; i < 100; ++i) rig_.service_cost.note(1'000'000'000, 1);
  EXPECT_EQ(to_service_.portion(1'000, 0, 0), 1'000u);
  hand_on(3, to_service_);
  EXPECT_EQ(rig_.socket().sent().size(), 3u);
  EXPECT_EQ(futex_calls(), 0u);
  EXPECT_EQ(rig_.requests.ready_guess() + rig_.responses.ready_guess(), 0u);
  expect_at_rest();
}

TEST_F(RunsAllStepsTest, ItTakesWhatTheStepsBehindItCanTakeAtATime) {
  EXPECT_EQ(to_service_.max(), InlineDispatch::kNoLimit);
  class OfFive final : public InlineStep {
   public:
    std::span<const std::uint32_t> run_inline(std::span<const std::uint32_t>,
                                              std::uint64_t) noexcept override {
      return {};
    }
    std::size_t max_inline() const noexcept override { return 5; }
  } five;
  EXPECT_EQ(InlineDispatch(always(rig_.requests, rig_.service_cost), five, lane_).max(), 5u);
}

// There is no service lane to leave it to.
TEST_F(RunsAllStepsTest, WhatTheServiceDefersIsProcessedInPlace) {
  defers_ = 2;
  hand_on(3, to_service_);
  EXPECT_EQ(rig_.total(Counter::deferred_in_place), 2u);
  EXPECT_EQ(rig_.socket().sent().size(), 3u);
  EXPECT_EQ(rig_.requests.ready_guess(), 0u);
  EXPECT_EQ(service_stats_.value(Counter::entered), 3u);
  EXPECT_EQ(rig_.total(Reason::answered), 3u);
  expect_at_rest();
}

TEST_F(RunsAllStepsTest, RepliesThatFindNoRoomWaitInTheStepForItsNextRound) {
  rig_.socket().accept_at_most(1);
  rig_.socket().fail_sends(EAGAIN);
  hand_on(3, to_service_);
  EXPECT_EQ(rig_.responses.ready_guess(), 0u);
  EXPECT_EQ(response_.full_socket(), &rig_.socket());
  EXPECT_EQ(response_stats_.value(Counter::entered), 3u);
  EXPECT_EQ(response_.run().moved, 2u);
  EXPECT_EQ(rig_.socket().sent().size(), 3u);
  EXPECT_EQ(response_stats_.value(Counter::entered), 3u);
  expect_at_rest();
}

class OnOneCpu : public InlineDispatchTest {
 protected:
  OnOneCpu() : InlineDispatchTest(true) {}
};

TEST_F(OnOneCpu, ItRunsInlineAlsoWithMoreToTake) {
  const Idler service(rig_.requests);
  const Idler response(rig_.responses);
  lane_.input_empty = false;
  hand_on(3);
  EXPECT_EQ(rig_.socket().sent().size(), 3u);
  EXPECT_EQ(futex_calls(), 0u);
  expect_at_rest();
}

TEST_F(OnOneCpu, ItTakesNoMoreThanItCanRunInline) {
  const Idler service(rig_.requests);
  EXPECT_NEAR(static_cast<double>(requests_.max()), 50, 1) << "50 us at 1 us each";
  const Idler response(rig_.responses);
  for (int i = 0; i < 200; ++i) rig_.response_cost.note(20'000, 10);
  EXPECT_NEAR(static_cast<double>(requests_.max()), 25, 1) << "2 us to send one";
  for (int i = 0; i < 200; ++i) rig_.service_cost.note(100'000, 1);
  EXPECT_EQ(requests_.max(), InlineDispatch::kNoLimit) << "no number would do";
}

TEST_F(OnOneCpu, WhereTheNextStageIsAtWorkItTakesWhatIsThere) {
  EXPECT_EQ(requests_.max(), InlineDispatch::kNoLimit);
}

TEST_F(InlineDispatchTest, OnSeveralCpusItTakesWhatIsThere) {
  const Idler service(rig_.requests);
  EXPECT_EQ(requests_.max(), InlineDispatch::kNoLimit);
}

TEST(StepCost, OneLongBatchIsNotTheRuleButSeveralAre) {
  StepCost cost;
  for (int i = 0; i < 200; ++i) cost.note(10'000, 1);
  cost.note(10'000'000, 1);
  EXPECT_TRUE(cost.is_within(30'000, 1));
  for (int i = 0; i < 10; ++i) cost.note(10'000'000, 1);
  EXPECT_FALSE(cost.is_within(1'000'000, 1));
}

TEST(StepCost, TellsHowManyMessagesTakeSoLong) {
  StepCost cost;
  EXPECT_GT(cost.messages_within(1), 1'000'000u) << "nothing is known";
  for (int i = 0; i < 200; ++i) cost.note(6'400, 64);
  EXPECT_NEAR(static_cast<double>(cost.messages_within(1'000)), 10, 1);
  EXPECT_EQ(cost.messages_within(99), 0u);
}

TEST(StepCost, IsTheMeanOfTheLastBatches) {
  StepCost cost;
  EXPECT_FALSE(cost.is_within(1'000'000, 1)) << "nothing is known";
  for (int i = 0; i < 200; ++i) cost.note(6'400, 64);
  EXPECT_TRUE(cost.is_within(6'500, 64));
  EXPECT_FALSE(cost.is_within(6'300, 64));
  for (int i = 0; i < 200; ++i) cost.note(10, 64);
  EXPECT_TRUE(cost.is_within(100, 64));
}

}  // namespace
}  // namespace cpss
