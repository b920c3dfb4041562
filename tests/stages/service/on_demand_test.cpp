// Stage on_demand: when a thread is started, what it does, how it ends. The threads are real; the
// test plays the workers that are inside a message.
#include "stages/service/on_demand.h"

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include "tests/stages/rig.h"
#include "tests/support/eventually.h"
#include "tests/support/failing_calls.h"
#include "tests/support/threads.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;
using test::CallService;
using test::defer;
using test::Rig;
using test::RigOptions;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr auto kPatience = 20s;

// Holds each deferred message until let_go(), then echoes it.
class HeldEcho final : public test::DeferringService {
 public:
  void process_deferred(Message& message, LaneState*) override {
    ++inside_;
    const TakeResult let_go = gate_.take(1, 1, std::chrono::steady_clock::now() + kPatience);
    EXPECT_EQ(let_go.status, TakeStatus::taken) << "held too long";
    --inside_;
    test::echo(message);
  }
  void let_go(std::uint32_t messages) { gate_.post(messages); }
  // False if they do not come.
  bool wait_until_inside(int messages) const {
    return eventually([&] { return inside_ == messages; }, kPatience, 1ms);
  }

 private:
  Semaphore gate_;
  std::atomic<int> inside_{0};
};

class OnDemand : public testing::Test {
 protected:
  static RigOptions options(std::uint32_t max) { return {.workers = 1, .on_demand = max}; }
  static auto waiting(Rig& rig) {
    return [&rig] { return rig.workers->queue.ready_guess(); };
  }
  // The worker enters a message.
  static void enter(Rig& rig) { rig.workers->occupancy.enter(waiting(rig)); }
  // Ends the stage as the pipeline does: workers first.
  static void end(Rig& rig) {
    rig.workers->queue.close();
    rig.workers->occupancy.close();
    while (rig.workers->starter->wait()) rig.workers->starter->run();
  }
  // So many threads have been started, all of them have ended, and nothing is inside.
  static void expect_at_rest(Rig& rig, std::uint64_t threads) {
    rig.finish();
    EXPECT_EQ(rig.total(Counter::threads_started), threads);
    EXPECT_EQ(rig.ledger.largest(Gauge::threads_now), 0u);
    EXPECT_EQ(rig.total(Counter::thread_start_errors), 0u);
  }
  static void end_at_rest(Rig& rig, std::uint64_t threads) {
    end(rig);
    expect_at_rest(rig, threads);
  }
  static std::vector<std::string> demand_threads() {
    std::vector<std::string> names;
    for (const auto& [name, thread] : test::threads_of(::getpid()))
      if (name.starts_with("demand-")) names.push_back(name);
    return names;
  }

  HeldEcho service_;
};

TEST_F(OnDemand, NoThreadWhileAWorkerIsIdle) {
  Rig rig(service_, options(2));
  rig.bring_to_workers({"a"});
  EXPECT_EQ(rig.workers->starter->run().moved, 0u);
  EXPECT_EQ(rig.workers->queue.ready_guess(), 1u) << "the worker's";
  service_.let_go(1);
  end_at_rest(rig, 0);
}

// The worker was woken for the first message, but does not come.
TEST_F(OnDemand, AWorkerThatDoesNotComeHoldsUpOneMessage) {
  Rig rig(service_, options(2));
  rig.bring_to_workers({"1", "2", "3"});
  EXPECT_EQ(rig.workers->starter->run().moved, 2u);
  EXPECT_TRUE(service_.wait_until_inside(2));
  EXPECT_EQ(rig.workers->queue.ready_guess(), 1u) << "the worker's";
  service_.let_go(3);
  end_at_rest(rig, 2);
}

TEST_F(OnDemand, NoThreadWithoutAMessage) {
  Rig rig(service_, options(2));
  enter(rig);
  EXPECT_EQ(rig.workers->starter->run().moved, 0u);
  rig.workers->occupancy.leave();
  end_at_rest(rig, 0);
}

TEST_F(OnDemand, StartsForTheOldestUpToMaxAndAPlaceIsUsedAgain) {
  Rig rig(service_, options(2));
  OnDemandStarter& starter = *rig.workers->starter;
  enter(rig);
  rig.bring_to_workers({"1", "2", "3", "4"});
  EXPECT_TRUE(starter.wait()) << "a producer's call";
  EXPECT_EQ(starter.run().moved, 2u) << "not more than max";
  ASSERT_TRUE(service_.wait_until_inside(2));
  EXPECT_THAT(demand_threads(), ElementsAre("demand-0", "demand-1"));
  EXPECT_EQ(rig.ledger.largest(Gauge::threads_now), 2u);
  EXPECT_EQ(rig.workers->queue.ready_guess(), 2u);
  EXPECT_EQ(starter.run().moved, 0u);

  service_.let_go(1);
  EXPECT_TRUE(starter.wait()) << "the call of a thread that ends";
  EXPECT_EQ(starter.run().moved, 1u) << "in the place that has become free";
  ASSERT_TRUE(service_.wait_until_inside(2));
  EXPECT_THAT(demand_threads(), ElementsAre("demand-0", "demand-1"));

  rig.workers->occupancy.leave();
  service_.let_go(2);
  while (rig.ledger.largest(Gauge::threads_now) > 0) {
    ASSERT_TRUE(starter.wait());
    EXPECT_EQ(starter.run().moved, 0u) << "the worker is idle: the last message is its own";
  }
  EXPECT_THAT(demand_threads(), IsEmpty());
  rig.response.run();
  EXPECT_THAT(rig.replies(), UnorderedElementsAre("1", "2", "3"));
  service_.let_go(1);
  EXPECT_EQ(rig.workers->run(), 1u);
  end_at_rest(rig, 3);
  EXPECT_THAT(rig.replies(), ElementsAre("4"));
  EXPECT_EQ(rig.ledger.largest(Gauge::threads_max), 2u);
  EXPECT_EQ(rig.ledger.recorded(HistogramId::wait_ns), 4u + 4 + 4) << "service, deferred, response";
}

// A thread takes the oldest message when it looks, and its events come by the ring of its place.
TEST_F(OnDemand, WhatTheServiceThrowsOnAThreadIsReported) {
  CallService thrower(defer, test::verdict_by_first_byte);
  Rig rig(thrower, options(1));
  enter(rig);
  rig.bring_to_workers({"t", "n", "reply", "d", "l", "0"});
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(rig.workers->starter->wait());
    rig.workers->starter->run();
  }
  end_at_rest(rig, 6);
  EXPECT_THAT(rig.workers->on_demand_events(), ElementsAre(test::says_service_threw("late")));
  EXPECT_THAT(rig.replies(), ElementsAre("reply"));
  for (const Reason reason :
       {Reason::failed_service_threw, Reason::no_answer, Reason::failed_deferred_twice,
        Reason::failed_reply_too_long, Reason::failed_no_verdict, Reason::answered})
    EXPECT_EQ(rig.total(reason), 1u) << name_of(reason);
}

TEST_F(OnDemand, TheEndWaitsForThreadsThatStillRun) {
  Rig rig(service_, options(3));
  enter(rig);
  rig.bring_to_workers({"1", "2", "3"});
  EXPECT_EQ(rig.workers->starter->run().moved, 3u);
  ASSERT_TRUE(service_.wait_until_inside(3));
  rig.workers->occupancy.leave();
  std::thread opener([this] {
    std::this_thread::sleep_for(50ms);
    service_.let_go(3);
  });
  end(rig);
  opener.join();
  EXPECT_THAT(demand_threads(), IsEmpty());
  expect_at_rest(rig, 3);
  EXPECT_THAT(rig.replies(), UnorderedElementsAre("1", "2", "3"));
}

TEST_F(OnDemand, SeizedWhileAThreadHasItItIsBookedOnce) {
  Rig rig(service_, options(1));
  enter(rig);
  rig.bring_to_workers({"1", "2"});
  EXPECT_EQ(rig.workers->starter->run().moved, 1u);
  ASSERT_TRUE(service_.wait_until_inside(1));
  EXPECT_EQ(rig.seize_all(), 2u);
  service_.let_go(2);
  rig.workers->occupancy.leave();
  EXPECT_EQ(rig.workers->run(), 1u);
  end(rig);
  ASSERT_TRUE(rig.settle());
  EXPECT_THAT(rig.replies(), IsEmpty());
  EXPECT_EQ(rig.ledger.outcomes(), 2u);
  rig.expect_only_seized(2);
}

// No thread can be started.
class NoThread : public OnDemand {
 protected:
  static RigOptions options() { return OnDemand::options(2); }
  static std::size_t run_without_threads(Rig& rig) {
    std::size_t started = 0;
    test::without_new_threads([&] { started = rig.workers->starter->run().moved; });
    return started;
  }
  // A message waits, the worker is inside another, and no thread can be started.
  static void fail_once(Rig& rig) {
    enter(rig);
    rig.bring_to_workers({"1"});
    ASSERT_TRUE(rig.workers->starter->wait()) << "the producer's call";
    EXPECT_EQ(run_without_threads(rig), 0u);
  }
  static void leave_and_end_with_one_reply(Rig& rig) {
    rig.workers->occupancy.leave();
    end(rig);
    EXPECT_THAT(rig.final_replies(), ElementsAre("1"));
  }
};

TEST_F(NoThread, IsReportedAndTheWorkersGetTheMessage) {
  Rig rig(service_, options());
  enter(rig);
  rig.bring_to_workers({"1", "2"});
  EXPECT_EQ(run_without_threads(rig), 0u);
  EXPECT_EQ(rig.workers->queue.ready_guess(), 2u) << "the claim is given back";
  EXPECT_TRUE(rig.workers->occupancy.wanted(waiting(rig))) << "nor is the thread counted";
  EXPECT_EQ(rig.ledger.largest(Gauge::threads_now), 0u);
  EXPECT_EQ(rig.total(Counter::threads_started), 0u);
  EXPECT_EQ(rig.total(Counter::thread_start_errors), 1u);
  const std::vector<Event> events = rig.workers->on_demand_events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, EventKind::thread_not_started);
  EXPECT_NE(events[0].text_view().find("demand-0"), std::string_view::npos)
      << events[0].text_view();
  const auto trouble = rig.workers->starter_lane.troubles.look(Trouble::thread_start);
  ASSERT_TRUE(trouble);
  EXPECT_EQ(trouble->number, EAGAIN);
  rig.workers->occupancy.leave();
  service_.let_go(2);
  EXPECT_EQ(rig.workers->run(), 2u);
  test::without_new_threads([&] { end(rig); });
  EXPECT_THAT(rig.final_replies(), ElementsAre("1", "2"));
}

// There may be no further call: the starter looks by itself, but not at once, and each time later.
TEST_F(NoThread, IsTriedAgainLaterAndLaterWithoutACallUntilThereIsOne) {
  Rig rig(service_, options());
  OnDemandStarter& starter = *rig.workers->starter;
  enter(rig);
  rig.bring_to_workers({"1"});
  const auto now = [] { return std::chrono::steady_clock::now(); };
  auto before_last = now();
  for (std::uint64_t failures = 1; failures <= 5; ++failures) {
    auto before = now();
    for (int i = 0; i < 1000 && rig.total(Counter::thread_start_errors) < failures; ++i) {
      ASSERT_TRUE(starter.wait());
      before = now();
      EXPECT_EQ(run_without_threads(rig), 0u);
    }
    EXPECT_EQ(rig.total(Counter::thread_start_errors), failures);
    if (failures > 1) {
      EXPECT_GE(now() - before_last, std::chrono::milliseconds(10 << (failures - 2)));
    }
    before_last = before;
  }
  service_.let_go(1);
  std::size_t started = 0;
  for (int i = 0; i < 1000 && started == 0; ++i) {
    ASSERT_TRUE(starter.wait());
    started = starter.run().moved;
  }
  EXPECT_EQ(started, 1u) << "now there is one";
  EXPECT_FALSE(rig.workers->starter_lane.troubles.look(Trouble::thread_start));
  leave_and_end_with_one_reply(rig);
}

// The pause ended before the starter waited: no further call comes, and no time remains to wait.
TEST_F(NoThread, IsTriedAgainIfThePauseIsOverBeforeTheWait) {
  Rig rig(service_, options());
  OnDemandStarter& starter = *rig.workers->starter;
  fail_once(rig);
  std::this_thread::sleep_for(20ms);  // longer than the first pause
  EXPECT_TRUE(starter.wait());
  service_.let_go(1);
  EXPECT_EQ(starter.run().moved, 1u);
  leave_and_end_with_one_reply(rig);
}

// The starter does not look again and again for a thread that is not needed.
TEST_F(NoThread, WhereNoneIsWantedAnyMoreTheStarterWaitsForACall) {
  Rig rig(service_, options());
  OnDemandStarter& starter = *rig.workers->starter;
  fail_once(rig);
  rig.workers->occupancy.leave();
  std::atomic<bool> called = false;
  std::thread other([&] {
    std::this_thread::sleep_for(30ms);
    called = true;
    rig.workers->occupancy.thread_ends();
  });
  EXPECT_TRUE(starter.wait());
  EXPECT_TRUE(called);
  other.join();
  service_.let_go(1);
  EXPECT_EQ(rig.workers->run(), 1u);
  end(rig);
  rig.finish();
}

// The workers find the queue closed and empty and end; the starter still holds a claim, and gives
// it back after that.
TEST_F(NoThread, AtTheEndAMessageGivenBackAfterTheWorkersHaveGoneIsNotLeftBehind) {
  Rig rig(service_, options());
  rig.bring_to_workers({"1"});
  service_.let_go(1);
  test::without_new_threads([&] { end(rig); });
  EXPECT_EQ(rig.workers->queue.ready_guess(), 0u);
  rig.response.run();
  EXPECT_THAT(rig.replies(), ElementsAre("1"));
  EXPECT_EQ(rig.total(Counter::threads_started), 0u);
  rig.expect_at_rest();
}

// Counts calls that find the state of their place in use by another thread.
class CountingStates final : public test::DeferringService {
 public:
  struct State final : LaneState {
    std::atomic<bool> used{false};
  };
  std::unique_ptr<LaneState> make_lane_state() const override { return std::make_unique<State>(); }
  void process_deferred(Message& message, LaneState* state) override {
    auto& used = static_cast<State*>(state)->used;
    if (used.exchange(true)) ++shared;
    std::this_thread::yield();
    used = false;
    test::echo(message);
  }
  std::atomic<int> shared{0};
};

TEST_F(OnDemand, ManyMessagesOneAfterTheOtherInFewPlaces) {
  constexpr std::uint64_t kMessages = 300;
  CountingStates service;
  Rig rig(service, options(3));
  enter(rig);
  std::uint64_t started = 0;
  for (std::uint64_t i = 0; i < kMessages; i += 3) {
    rig.bring_to_workers({"a", "b", "c"});
    while (started < i + 3) {
      ASSERT_TRUE(rig.workers->starter->wait());
      started += rig.workers->starter->run().moved;
    }
    rig.response.run();
  }
  rig.workers->occupancy.leave();
  end_at_rest(rig, kMessages);
  EXPECT_EQ(service.shared, 0) << "two threads with one state";
  EXPECT_LE(rig.ledger.largest(Gauge::threads_max), 3u);
  EXPECT_EQ(rig.total(Reason::answered), kMessages);
}

}  // namespace
}  // namespace cpss
