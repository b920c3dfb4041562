#include "stages/service/service.h"

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/stages/rig.h"
#include "tests/support/eventually.h"

namespace cpss {
namespace {

using test::address;
using test::CallService;
using test::client;
using test::defer;
using test::echo;
using test::reply_with;
using test::request_of;
using test::Rig;
using test::RigOptions;
using testing::ElementsAre;
using testing::IsEmpty;

// The outcome of one message that went through all stages.
struct Ended {
  std::uint64_t count = 0;
  std::vector<std::string> replies;
};
Ended one_message(Service& service, std::string_view request, Reason reason) {
  Rig rig(service);
  rig.deliver(request);
  EXPECT_TRUE(rig.settle());
  rig.expect_at_rest();
  EXPECT_EQ(rig.ledger.outcomes(), 1u);
  return {rig.total(reason), rig.replies()};
}

TEST(ServiceStep, WithoutMessagesItIsNotCalled) {
  CallService service([](Message&) { ADD_FAILURE() << "called"; });
  Rig rig(service);
  EXPECT_EQ(rig.service.run().moved, 0u);
  rig.expect_at_rest();
}

TEST(ServiceStep, ReplyInPlace) {
  CallService service(echo);
  const Ended ended = one_message(service, "hello", Reason::answered);
  EXPECT_EQ(ended.count, 1u);
  EXPECT_THAT(ended.replies, ElementsAre("hello"));
}

TEST(ServiceStep, ReplyInPlaceMayBeShorter) {
  CallService service([](Message& message) {
    message.request_in_place()[0] = std::byte{'J'};
    message.reply_in_place(4);
  });
  EXPECT_THAT(one_message(service, "hello", Reason::answered).replies, ElementsAre("Jell"));
}

TEST(ServiceStep, ReplyInItsWindow) {
  CallService service([](Message& message) { reply_with(message, "world"); });
  EXPECT_THAT(one_message(service, "hello", Reason::answered).replies, ElementsAre("world"));
}

TEST(ServiceStep, TheLastVerdictCountsAlsoForWhereTheReplyIs) {
  CallService service([](Message& message) {
    reply_with(message, "win");
    message.reply_in_place(5);
    message.reply(3);
  });
  EXPECT_THAT(one_message(service, "hello", Reason::answered).replies, ElementsAre("win"));
}

TEST(ServiceStep, AReplyWithoutAByteIsSent) {
  CallService service([](Message& message) { message.reply(0); });
  const Ended ended = one_message(service, "hello", Reason::answered);
  EXPECT_EQ(ended.count, 1u);
  EXPECT_THAT(ended.replies, ElementsAre(""));
}

TEST(ServiceStep, NoReply) {
  CallService service([](Message& message) { message.no_reply(); });
  const Ended ended = one_message(service, "hello", Reason::no_answer);
  EXPECT_EQ(ended.count, 1u);
  EXPECT_THAT(ended.replies, IsEmpty());
}

TEST(ServiceStep, NoVerdictIsAFailure) {
  CallService service([](Message&) {});
  EXPECT_EQ(one_message(service, "hello", Reason::failed_no_verdict).count, 1u);
}

TEST(ServiceStep, AVerdictTakenBackIsNone) {
  CallService service([](Message& message) {
    echo(message);
    message.clear_verdict();
  });
  EXPECT_EQ(one_message(service, "hello", Reason::failed_no_verdict).count, 1u);
}

TEST(ServiceStep, EachInvalidReasonIsItsOwnCounter) {
  const std::vector<std::pair<InvalidReason, Reason>> reasons = {
      {InvalidReason::too_short, Reason::invalid_too_short},
      {InvalidReason::bad_magic, Reason::invalid_bad_magic},
      {InvalidReason::bad_version, Reason::invalid_bad_version},
      {InvalidReason::wrong_direction, Reason::invalid_wrong_direction},
      {InvalidReason::malformed, Reason::invalid_malformed},
  };
  for (const auto& [why, reason] : reasons) {
    CallService service([invalid = why](Message& message) { message.invalid(invalid); });
    const Ended ended = one_message(service, "hello", reason);
    EXPECT_EQ(ended.count, 1u) << name_of(reason);
    EXPECT_THAT(ended.replies, IsEmpty());
  }
}

TEST(ServiceStep, Refuse) {
  CallService service([](Message& message) { message.refuse(RefuseReason::by_service); });
  const Ended ended = one_message(service, "hello", Reason::refused_by_service);
  EXPECT_EQ(ended.count, 1u);
  EXPECT_THAT(ended.replies, IsEmpty());
}

TEST(ServiceStep, WhatABatchServiceHadDecidedBeforeItThrewStands) {
  CallService service([](Message& message) {
    if (request_of(message) == "throw") throw std::runtime_error("no such row");
    echo(message);
  });
  Rig rig(service);
  for (const char* request : {"a", "b", "throw", "c", "d"}) rig.deliver(request);
  EXPECT_THAT(rig.final_replies(), ElementsAre("a", "b"));
  EXPECT_EQ(rig.total(Reason::failed_service_threw), 3u);
  EXPECT_EQ(rig.total(Reason::failed_no_verdict), 0u);
  EXPECT_THAT(rig.events(), ElementsAre(test::says_service_threw("no such row")));
}

TEST(ServiceStep, WhatIsThrownNeedNotBeAnException) {
  CallService service([](Message&) { throw 7; });
  Rig rig(service);
  rig.deliver("x");
  rig.finish();
  EXPECT_EQ(rig.total(Reason::failed_service_threw), 1u);
  EXPECT_THAT(rig.events(), ElementsAre(test::says_service_threw("not a std::exception")));
}

class OneMessageThrower final : public OneMessageService {
 public:
  void answer(Message& message, LaneState*) override {
    message.reply_in_place(message.request().size());
    if (request_of(message) == "throw") throw std::runtime_error("this one");
  }
};

TEST(ServiceStep, AOneMessageServiceThatThrowsFailsThatMessageAlone) {
  OneMessageThrower service;
  Rig rig(service);
  for (const char* request : {"a", "throw", "b", "throw", "c"}) rig.deliver(request);
  EXPECT_THAT(rig.final_replies(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(rig.total(Reason::failed_service_threw), 2u);
}

// The max of a reply: the request's length for any peer, the window for trusted ones.
TEST(ServiceStep, AReplyMayHaveExactlyItsLimit) {
  const auto fill = [](Message& message, std::size_t extra) {
    const std::size_t size = message.reply_window().size();
    for (std::byte& byte : message.reply_window()) byte = std::byte{'r'};
    message.reply(size + extra);
  };
  for (const std::size_t extra : {0u, 1u}) {
    CallService service([&](Message& message) { fill(message, extra); });
    Rig rig(service, {.window = 16, .access_control = test::trusting("127.0.0.0", 8)});
    rig.deliver("123");
    rig.deliver("123", address("127.0.0.1", 4000));
    rig.deliver("1234567890123456");
    rig.finish();
    if (extra == 0) {
      EXPECT_THAT(rig.replies(), ElementsAre("rrr", std::string(16, 'r'), std::string(16, 'r')));
    } else {
      EXPECT_EQ(rig.total(Reason::failed_reply_too_long), 3u);
      EXPECT_THAT(rig.replies(), IsEmpty());
    }
  }
}

TEST(ServiceStep, AReplyInPlaceIsNeverLongerThanTheRequestNotEvenForTheTrusted) {
  CallService service([](Message& message) {
    message.reply_in_place(message.request().size() + (request_of(message)[0] == '+' ? 1 : 0));
  });
  Rig rig(service, {.access_control = test::trusting("127.0.0.0", 8)});
  for (const SocketAddress& peer : {client(), address("127.0.0.1", 4000)}) {
    rig.deliver("same", peer);
    rig.deliver("+more", peer);
  }
  EXPECT_THAT(rig.final_replies(), ElementsAre("same", "same"));
  EXPECT_EQ(rig.total(Reason::failed_reply_too_long), 2u);
}

// A length that does not even fit the header's field must not be cut to one that does.
TEST(ServiceStep, AHugeReplyLengthIsNotCutToFit) {
  CallService service([](Message& message) { message.reply(65'536 + 3); });
  EXPECT_EQ(one_message(service, "hello", Reason::failed_reply_too_long).count, 1u);
}

TEST(ServiceStep, WhatIsDeferredIsProcessedInPlaceAndCounted) {
  CallService service(defer, echo);
  Rig rig(service);
  for (const char* request : {"a", "b", "c"}) rig.deliver(request);
  EXPECT_THAT(rig.final_replies(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(rig.total(Counter::deferred_in_place), 3u);
}

TEST(ServiceStep, ByDefaultWhatIsDeferredIsProcessedAgainAndASecondDeferFails) {
  test::expect_second_defer_fails({});
}

TEST(ServiceStep, EveryVerdictOfDeferredWork) {
  CallService service(defer, test::verdict_by_first_byte);
  Rig rig(service);
  test::expect_every_deferred_verdict(rig);
  EXPECT_EQ(rig.total(Counter::deferred_in_place), 9u);
}

TEST(ServiceStep, WhatABatchDeferredBeforeItThrewIsStillProcessed) {
  CallService service(
      [](Message& message) {
        if (request_of(message) == "throw") throw std::runtime_error("x");
        message.defer();
      },
      echo);
  Rig rig(service);
  for (const char* request : {"a", "throw", "b"}) rig.deliver(request);
  EXPECT_THAT(rig.final_replies(), ElementsAre("a"));
  EXPECT_EQ(rig.total(Reason::failed_service_threw), 2u);
}

// Deferred work may block: the other messages must have gone on before it, and all that ended must
// be booked, or the ledger would not balance if the end were forced at that moment.
TEST(ServiceStep, NothingWaitsForDeferredWorkOfTheSameBatch) {
  std::optional<Rig> rig;
  std::vector<std::string> replied_before;
  std::uint64_t inside = 0;
  std::uint32_t free_slots = 0;
  CallService service(
      [](Message& message) {
        switch (request_of(message)[0]) {
          case 'd':
            return message.defer();
          case 'n':
            return message.no_reply();
          default:
            return echo(message);
        }
      },
      [&](Message& message) {
        rig->response.run();
        rig->response.before_wait();
        for (const std::string& reply : rig->replies()) replied_before.push_back(reply);
        inside = rig->ledger.in_flight();
        free_slots = rig->pool.free_slots().value_guess();
        rig->expect_ledger();
        echo(message);
      });
  rig.emplace(service);
  for (const char* request : {"a", "d1", "n", "b", "d2"}) rig->deliver(request);
  rig->receive.run();
  rig->receive.before_wait();
  rig->service.run();
  EXPECT_THAT(replied_before, ElementsAre("a", "b", "d1")) << "d1 did not wait for d2 either";
  EXPECT_EQ(inside, 1u);
  EXPECT_EQ(free_slots, rig->store.slots() - 1);
  EXPECT_THAT(rig->final_replies(), ElementsAre("d2"));
}

TEST(ServiceStep, PeerAndTrustAreShownToTheService) {
  std::vector<std::string> seen;
  CallService service([&](Message& message) {
    seen.push_back(message.peer().to_string() + (message.trusted() ? " trusted" : ""));
    message.no_reply();
  });
  Rig rig(service, {.access_control = test::trusting("127.0.0.0", 8)});
  rig.deliver("x", client(5));
  rig.deliver("x", address("127.0.0.1", 4000));
  rig.finish();
  EXPECT_THAT(seen, ElementsAre("192.0.2.1:20005", "127.0.0.1:4000 trusted"));
}

// Each call gets the state of its lane.
class StatefulService final : public Service {
 public:
  struct State final : LaneState {
    int calls = 0;
  };
  std::unique_ptr<LaneState> make_lane_state() const override { return std::make_unique<State>(); }
  void process(std::span<Message> batch, LaneState* state) override {
    calls_seen = ++static_cast<State*>(state)->calls;
    for (Message& message : batch) message.no_reply();
  }
  int calls_seen = 0;
};

TEST(ServiceStep, TheLanesStateIsPassedToEachCall) {
  StatefulService service;
  Rig rig(service);
  for (int i = 1; i <= 3; ++i) {
    rig.deliver("x");
    ASSERT_TRUE(rig.settle());
    EXPECT_EQ(service.calls_seen, i);
  }
  rig.expect_at_rest();
}

TEST(ServiceStep, ABatchIsWhatIsThereUpToTheLimit) {
  std::vector<std::size_t> batches;
  class BatchSizes final : public Service {
   public:
    explicit BatchSizes(std::vector<std::size_t>& sizes) : sizes_(sizes) {}
    void process(std::span<Message> batch, LaneState*) override {
      sizes_.push_back(batch.size());
      for (Message& message : batch) message.no_reply();
    }

   private:
    std::vector<std::size_t>& sizes_;
  } service(batches);
  Rig rig(service, {.batch = 4});
  for (int i = 0; i < 9; ++i) rig.deliver("x");
  rig.receive_and_serve();
  EXPECT_THAT(batches, ElementsAre(4, 4, 1));
  EXPECT_EQ(rig.total(Counter::entered), 18u) << "nine into receive, nine into service";
  EXPECT_EQ(rig.ledger.recorded(HistogramId::wait_ns), 9u);
  rig.expect_at_rest();
}

// Defers requests that begin with 'd', echoes others; the workers echo.
void defer_some(Message& message) {
  if (request_of(message)[0] == 'd')
    message.defer();
  else
    echo(message);
}

TEST(ServiceStepWithWorkers, OnlyWhatIsDeferredGoesToThem) {
  CallService service(defer_some, echo);
  Rig rig(service, {.workers = 1});
  for (const char* request : {"a", "d1", "b", "d2"}) rig.deliver(request);
  rig.receive.run();
  rig.service.run();
  EXPECT_EQ(rig.workers->queue.ready_guess(), 2u);
  EXPECT_EQ(rig.total(Counter::deferred), 2u);
  EXPECT_EQ(rig.total(Counter::deferred_in_place), 0u);
  EXPECT_EQ(rig.ledger.largest(Gauge::worker_queue_high_water), 2u);
  rig.response.run();
  EXPECT_THAT(rig.replies(), ElementsAre("a", "b"));
  EXPECT_THAT(rig.final_replies(), ElementsAre("d1", "d2"));
}

TEST(ServiceStepWithWorkers, DeferAllNeverAsksTheService) {
  CallService service([](Message&) { ADD_FAILURE() << "process() called"; }, echo);
  Rig rig(service, {.workers = 1, .defer_all = true});
  for (const char* request : {"a", "b", "c"}) rig.deliver(request);
  rig.receive.run();
  EXPECT_EQ(rig.service.run().moved, 3u);
  EXPECT_EQ(rig.total(Counter::deferred), 3u);
  EXPECT_THAT(rig.final_replies(), ElementsAre("a", "b", "c"));
}

// The service lane waits on a thread of its own until there is room.
TEST(ServiceStepWithWorkers, WithBlockTheLaneWaitsForRoomAndHoldsOnlyWhatWaits) {
  CallService service(defer_some, echo);
  Rig rig(service, {.workers = 1, .worker_queue = 1});
  for (const char* request : {"a", "d1", "b", "d2", "d3"}) rig.deliver(request);
  rig.receive.run();
  rig.receive.before_wait();
  std::thread lane([&] { EXPECT_EQ(rig.service.run().moved, 5u); });
  std::vector<std::string> workers_side;
  for (const char* expected : {"d1", "d2", "d3"}) {
    // A message is in the queue; if more are to come, the lane waits for its place.
    ASSERT_EQ(
        rig.workers->queue.wait(std::chrono::steady_clock::now() + std::chrono::seconds(20)).status,
        TakeStatus::taken)
        << expected;
    EXPECT_EQ(rig.responses.ready_guess(), 2 + workers_side.size()) << "a and b have gone on";
    EXPECT_EQ(rig.workers->queue.ready_guess(), 0u) << "the bound";
    rig.workers->queue.unclaim();
    EXPECT_EQ(rig.workers->steps[0].run().moved, 1u);
    workers_side.push_back(expected);
  }
  lane.join();
  EXPECT_EQ(rig.ledger.largest(Gauge::worker_queue_high_water), 1u);
  EXPECT_EQ(rig.total(Counter::deferred), 3u);
  EXPECT_THAT(rig.final_replies(), ElementsAre("a", "b", "d1", "d2", "d3"));
}

TEST(ServiceStepWithWorkers, NoFreeSlotIsKeptWhileTheLaneWaitsForRoom) {
  CallService service([](Message& message) {
    if (request_of(message)[0] == 'n')
      message.no_reply();
    else
      message.defer();
  });
  // Enough slots for caches to keep some.
  Rig rig(service, {.slots = 640, .workers = 1, .worker_queue = 1});
  for (const char* request : {"n", "d", "n", "d"}) rig.deliver(request);
  rig.receive.run();
  rig.receive.before_wait();
  std::thread lane([&] { EXPECT_EQ(rig.service.run().moved, 4u); });
  EXPECT_TRUE(eventually([&] { return rig.pool.free_slots().value_guess() == 640 - 2; }))
      << "all but the two deferred";
  for (std::size_t done = 0; done < 2;) done += rig.workers->steps[0].run().moved;
  lane.join();
  EXPECT_EQ(rig.total(Counter::sem_waits), 1u);
  rig.finish();
  EXPECT_EQ(rig.total(Reason::failed_deferred_twice), 2u);
}

class ShedByServiceLane : public testing::Test {
 protected:
  static RigOptions options(std::uint32_t busy_rate) {
    return {.busy_rate = busy_rate, .workers = 1, .worker_queue = 1};
  }
  // All deferred messages but the first find the queue full.
  static void run(Rig& rig, const std::vector<const char*>& requests) {
    for (const char* request : requests) rig.deliver(request);
    rig.receive.run();
    EXPECT_EQ(rig.service.run().moved, requests.size());
    EXPECT_EQ(rig.workers->queue.ready_guess(), 1u);
  }
};

TEST_F(ShedByServiceLane, BusyRepliesAreAsManyAsTheBudgetAllowsTheRestIsSilent) {
  CallService service(defer_some, echo, [](Message& message) { reply_with(message, "BUSY"); });
  Rig rig(service, options(1));  // one at once
  run(rig, {"d--1", "a", "d--2", "d--3", "d--4"});
  EXPECT_EQ(rig.total(Counter::busy_replies), 0u) << "response sends them";
  EXPECT_THAT(rig.final_replies(), ElementsAre("a", "BUSY", "d--1"));
  EXPECT_EQ(rig.total(Reason::shed_worker_queue_full), 3u);
  EXPECT_EQ(rig.total(Counter::busy_replies), 1u);
  EXPECT_EQ(rig.total(Counter::deferred), 1u) << "what was shed did not reach the queue";
  EXPECT_EQ(rig.total(Reason::answered), 2u);
  EXPECT_EQ(rig.total(Counter::sent), 3u);
}

TEST_F(ShedByServiceLane, WithoutBudgetAllIsSilent) {
  CallService service(defer_some, echo, [](Message& message) { reply_with(message, "BUSY"); });
  Rig rig(service, options(0));
  run(rig, {"d--1", "d--2", "d--3"});
  EXPECT_THAT(rig.final_replies(), ElementsAre("d--1"));
  EXPECT_EQ(rig.total(Reason::shed_worker_queue_full), 2u);
}

// Silence takes nothing from the budget, which all lanes of the server share.
TEST_F(ShedByServiceLane, ASilentMessageTakesNothingFromTheBudget) {
  CallService service(defer_some, echo, [](Message& message) {
    if (request_of(message) == "d--3") reply_with(message, "BUSY");
  });
  Rig rig(service, options(1));
  run(rig, {"d--1", "d--2", "d--3"});
  EXPECT_THAT(rig.final_replies(), ElementsAre("BUSY", "d--1"));
  EXPECT_EQ(rig.total(Reason::shed_worker_queue_full), 2u);
}

// With CPSS_DEFER=all the service sees the message here for the first time. One that it calls
// invalid is not load that was shed, and is never answered.
TEST_F(ShedByServiceLane, WhatTheServiceCallsInvalidIsInvalidAlsoWithoutBudget) {
  CallService service(defer_some, echo, [](Message& message) {
    if (request_of(message) == "d--2")
      message.invalid(InvalidReason::bad_magic);
    else
      message.refuse(RefuseReason::by_service);
  });
  RigOptions all = options(0);
  all.defer_all = true;
  Rig rig(service, std::move(all));
  run(rig, {"d--1", "d--2", "d--3"});
  EXPECT_THAT(rig.final_replies(), ElementsAre("d--1"));
  EXPECT_EQ(rig.total(Reason::invalid_bad_magic), 1u);
  EXPECT_EQ(rig.total(Reason::refused_by_service), 1u);
  EXPECT_EQ(rig.total(Reason::shed_worker_queue_full), 0u);
}

TEST_F(ShedByServiceLane, ABusyReplyThatIsTooLongOrThrownOrMissingIsSilence) {
  CallService service(defer_some, echo, [](Message& message) {
    switch (request_of(message)[1]) {
      case 'l':
        return message.reply(1000);
      case 't':
        throw std::runtime_error("busy");
      case 'd':
        return message.defer();
      default:
        return;
    }
  });
  Rig rig(service, options(1'000'000));
  run(rig, {"d0", "dl", "dt", "dd", "d-"});
  EXPECT_THAT(rig.final_replies(), ElementsAre("d0"));
  EXPECT_EQ(rig.total(Reason::shed_worker_queue_full), 4u);
  EXPECT_EQ(rig.total(Counter::busy_replies), 0u);
  EXPECT_EQ(rig.events().size(), 1u);
}

TEST_F(ShedByServiceLane, ASlotThatIsAnothersByNowIsNotMarkedAsShed) {
  std::optional<Rig> rig;
  std::uint32_t slot = 0;
  CallService service(defer_some, echo, [&](Message& message) {
    slot = test::slot_with(*rig, "d--2");
    rig->intrude(slot);
    reply_with(message, "BUSY");
  });
  rig.emplace(service, options(1));
  run(*rig, {"d--1", "d--2"});
  EXPECT_FALSE(rig->store.header(slot).shed);
  ASSERT_TRUE(rig->settle());
  EXPECT_THAT(rig->replies(), ElementsAre("d--1"));
  EXPECT_EQ(rig->total(Reason::shed_worker_queue_full), 0u);
  rig->expect_stale_once(slot);
}

TEST(ServiceStepWithWorkers, WhatIsSeizedBeforeItIsHandedOverGoesNoFurther) {
  std::optional<Rig> rig;
  CallService service([&](Message& message) {
    message.defer();
    rig->seize_all();
  });
  rig.emplace(service, RigOptions{.workers = 1});
  rig->deliver("x");
  ASSERT_TRUE(rig->settle());
  EXPECT_EQ(rig->total(Counter::deferred), 0u);
  EXPECT_EQ(rig->ledger.outcomes(), 1u);
  rig->expect_only_seized(1);
}

}  // namespace
}  // namespace cpss
