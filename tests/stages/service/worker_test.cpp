// Stage worker: the outcomes of a deferred message, and what the other stages see while the service
// blocks.
#include "stages/service/worker.h"

#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/stages/rig.h"

namespace cpss {
namespace {

using test::CallService;
using test::defer;
using test::echo;
using test::Rig;
using test::RigOptions;
using test::slot_with;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(WorkerStep, WithoutMessagesItDoesNothing) {
  CallService service(defer, [](Message&) { ADD_FAILURE() << "called"; });
  Rig rig(service, {.workers = 1});
  EXPECT_EQ(rig.workers->steps[0].run().moved, 0u);
  EXPECT_EQ(rig.workers->occupancy.inside_guess(), 0u);
  rig.expect_at_rest();
}

TEST(WorkerStep, EveryVerdict) {
  CallService service(defer, test::verdict_by_first_byte);
  Rig rig(service, {.workers = 1});
  test::expect_every_deferred_verdict(rig);
  EXPECT_EQ(rig.total(Counter::deferred), 9u);
  EXPECT_EQ(rig.total(Counter::deferred_in_place), 0u);
}

TEST(WorkerStep, ByDefaultItIsProcessedAgainAndASecondDeferFails) {
  test::expect_second_defer_fails({.workers = 1});
}

TEST(WorkerStep, TakesOneMessageARunTheOldestFirst) {
  std::vector<std::string> order;
  CallService service(defer, [&](Message& message) {
    order.emplace_back(test::request_of(message));
    echo(message);
  });
  Rig rig(service, {.workers = 2});
  rig.bring_to_workers({"1", "2", "3"});
  EXPECT_EQ(rig.workers->steps[0].run().moved, 1u);
  EXPECT_THAT(order, ElementsAre("1"));
  EXPECT_EQ(rig.workers->steps[1].run().moved, 1u);
  EXPECT_EQ(rig.workers->steps[0].run().moved, 1u);
  EXPECT_EQ(rig.workers->steps[0].run().moved, 0u);
  EXPECT_THAT(order, ElementsAre("1", "2", "3"));
  EXPECT_THAT(rig.final_replies(), ElementsAre("1", "2", "3"));
}

// The service may block with a message: neither finished messages nor free slots may wait for it.
TEST(WorkerStep, NothingElseWaitsWhileTheServiceBlocks) {
  std::optional<Rig> rig;
  std::vector<std::string> replied_before;
  CallService service(defer, [&](Message& message) {
    rig->response.run();
    rig->response.before_wait();
    for (const std::string& reply : rig->replies()) replied_before.push_back(reply);
    EXPECT_EQ(rig->workers->occupancy.inside_guess(), 0u)
        << "nobody counts where no thread may start";
    EXPECT_EQ(rig->pool.free_slots().value_guess(), rig->store.slots() - rig->ledger.in_flight());
    rig->expect_ledger();
    if (test::request_of(message) == "silent")
      message.no_reply();
    else
      echo(message);
  });
  rig.emplace(service, RigOptions{.workers = 1});
  rig->bring_to_workers({"a", "silent", "b"});
  EXPECT_EQ(rig->workers->run(), 3u);
  EXPECT_THAT(replied_before, ElementsAre("a"));
  EXPECT_EQ(rig->ledger.in_flight(), 1u) << "b waits for the response stage";
  EXPECT_THAT(rig->final_replies(), ElementsAre("b"));
}

TEST(WorkerStep, CountsWhatItTakesAndHowLongThatWaited) {
  CallService service(defer, [](Message& message) {
    if (test::request_of(message) == "n")
      message.no_reply();
    else
      echo(message);
  });
  Rig rig(service, {.workers = 1});
  rig.bring_to_workers({"a", "n", "b"});
  EXPECT_EQ(rig.total(Counter::deferred), 3u);
  EXPECT_EQ(rig.ledger.largest(Gauge::worker_queue_high_water), 3u);
  const std::uint64_t entered = rig.total(Counter::entered);
  const std::uint64_t left = rig.total(Counter::forwarded);
  const std::uint64_t waits = rig.ledger.recorded(HistogramId::wait_ns);
  const std::uint64_t waited_ns = rig.total(Counter::queue_wait_ns);
  const std::uint64_t batches = rig.total(Counter::batches);
  // Further back than one CPU's clock can be behind another.
  for (const char* request : {"a", "n", "b"})
    rig.store.header(slot_with(rig, request)).published_ns -= 1'000'000'000;
  EXPECT_EQ(rig.workers->run(), 3u);
  EXPECT_EQ(rig.total(Counter::entered) - entered, 3u);
  EXPECT_EQ(rig.total(Counter::forwarded) - left, 2u);
  EXPECT_EQ(rig.total(Counter::completed), 1u);
  EXPECT_EQ(rig.total(Counter::batches) - batches, 3u) << "one by one";
  EXPECT_EQ(rig.ledger.recorded(HistogramId::wait_ns) - waits, 3u);
  EXPECT_GE(rig.total(Counter::queue_wait_ns) - waited_ns, 3'000'000'000u);
  EXPECT_GE(rig.ledger.largest(HistogramId::wait_ns), 1'000'000'000u);
  rig.finish();
}

// A stamp of a clock that is ahead is no wait, rather than one of centuries.
TEST(WorkerStep, AStampFromTheFutureIsNoWait) {
  CallService service(defer, echo);
  Rig rig(service, {.workers = 1});
  rig.bring_to_workers({"a"});
  const std::uint64_t waited_ns = rig.total(Counter::queue_wait_ns);
  rig.store.header(slot_with(rig, "a")).published_ns += 1'000'000'000'000;
  EXPECT_EQ(rig.workers->run(), 1u);
  EXPECT_EQ(rig.total(Counter::queue_wait_ns), waited_ns);
  rig.finish();
}

TEST(WorkerStep, AWaitEndsWithAMessageThatTheNextRunTakes) {
  CallService service(defer, echo);
  Rig rig(service, {.workers = 2});
  rig.bring_to_workers({"a"});
  EXPECT_TRUE(rig.workers->steps[0].wait());
  EXPECT_EQ(rig.workers->steps[1].run().moved, 0u) << "the message is the waiter's";
  EXPECT_EQ(rig.workers->steps[0].run().moved, 1u);
  EXPECT_THAT(rig.final_replies(), ElementsAre("a"));
}

TEST(WorkerStep, AClosedQueueGivesWhatIsLeftThenEndsTheWait) {
  CallService service(defer, echo);
  Rig rig(service, {.workers = 1});
  rig.bring_to_workers({"a", "b"});
  rig.workers->queue.close();
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(rig.workers->steps[0].wait());
    EXPECT_EQ(rig.workers->steps[0].run().moved, 1u);
  }
  EXPECT_FALSE(rig.workers->steps[0].wait());
  EXPECT_THAT(rig.final_replies(), ElementsAre("a", "b"));
}

TEST(WorkerStep, SeizedInTheWorkerQueueItIsBookedOnce) {
  CallService service(defer, test::verdict_by_first_byte);
  Rig rig(service, {.workers = 1});
  rig.bring_to_workers({"reply", "n", "t"});
  EXPECT_EQ(rig.seize_all(), 3u);
  EXPECT_EQ(rig.workers->run(), 3u);
  ASSERT_TRUE(rig.settle());
  EXPECT_THAT(rig.replies(), IsEmpty());
  EXPECT_EQ(rig.ledger.outcomes(), 3u);
  rig.expect_only_seized(3);
}

TEST(WorkerStep, SeizedWhileTheServiceHasItItIsBookedOnce) {
  std::optional<Rig> rig;
  CallService service(defer, [&](Message& message) {
    if (test::request_of(message)[0] == 'n') {
      EXPECT_EQ(rig->seize_all(), 2u) << "also what is still in the queue";
      return message.no_reply();
    }
    echo(message);
  });
  rig.emplace(service, RigOptions{.workers = 1});
  rig->bring_to_workers({"n", "a"});
  EXPECT_EQ(rig->workers->run(), 2u);
  ASSERT_TRUE(rig->settle());
  EXPECT_THAT(rig->replies(), IsEmpty());
  EXPECT_EQ(rig->ledger.outcomes(), 2u);
  rig->expect_only_seized(2);
}

TEST(WorkerStep, GenerationChangedWhileTheServiceHasIt) {
  for (const bool replies : {true, false}) {
    std::optional<Rig> rig;
    std::uint32_t slot = 0;
    CallService service(defer, [&](Message& message) {
      slot = slot_with(*rig, "victim");
      rig->intrude(slot);
      if (replies)
        echo(message);
      else
        message.no_reply();
    });
    rig.emplace(service, RigOptions{.workers = 1});
    rig->deliver("victim");
    ASSERT_TRUE(rig->settle());
    EXPECT_THAT(rig->replies(), IsEmpty()) << "someone else's message is not answered";
    rig->expect_stale_once(slot);
  }
}

// Each lane has a state of its own.
class StatefulService final : public test::DeferringService {
 public:
  struct State final : LaneState {};
  std::unique_ptr<LaneState> make_lane_state() const override { return std::make_unique<State>(); }
  void process_deferred(Message& message, LaneState* state) override {
    seen.insert(state);
    echo(message);
  }
  std::set<LaneState*> seen;
};

TEST(WorkerStep, EachWorkerHasItsLanesState) {
  StatefulService service;
  Rig rig(service, {.workers = 2});
  rig.bring_to_workers({"a", "b", "c", "d"});
  EXPECT_EQ(rig.workers->run(), 4u);
  EXPECT_EQ(service.seen.size(), 2u);
  EXPECT_EQ(service.seen.count(nullptr), 0u);
  rig.finish();
}

}  // namespace
}  // namespace cpss
