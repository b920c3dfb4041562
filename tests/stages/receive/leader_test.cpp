// What a lane does about the leader token, one lane at a time. queue/leader_token_test.cpp and the
// pipelines test that lanes with the token together lose nothing.
#include "stages/receive/leader.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/stages/full_socket.h"
#include "tests/stages/rig.h"
#include "tests/stages/wait_meanwhile.h"
#include "tests/support/asleep.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

class StepStub final : public Step {
 public:
  RunResult run() noexcept override {
    ++runs;
    return result;
  }
  void before_wait() noexcept override { ++waits_announced; }

  int runs = 0;
  int waits_announced = 0;
  RunResult result{7, Next::again};
};

// The service stage; calls `look` while it has the messages.
class NextStub final : public InlineStep {
 public:
  std::span<const std::uint32_t> run_inline(std::span<const std::uint32_t> slots,
                                            std::uint64_t begin_ns) noexcept override {
    got.assign(slots.begin(), slots.end());
    got_at = begin_ns;
    if (look) look();
    return std::span(got).last(leaves);
  }
  std::size_t max_inline() const noexcept override { return 1000; }

  std::vector<std::uint32_t> got;
  std::uint64_t got_at = 0;
  std::size_t leaves = 0;
  std::function<void()> look;
};

class PlaceStub final : public WaitPlace {
 public:
  bool wait(const RunResult& round) noexcept override {
    ++waits;
    last = round;
    return result;
  }
  int waits = 0;
  RunResult last;
  bool result = true;
};

// What is around a lane.
struct Surroundings {
  WaitPlace& datagrams;
  SlotPool& pool;
  int token_event;
  int stop_event;
  std::chrono::milliseconds idle_end;
};

// One lane with all its parts.
struct LaneUnderTest {
  LaneUnderTest(LeaderToken& token, std::uint32_t number, std::uint32_t limit,
                std::function<int(std::uint32_t)> start, const Surroundings& around,
                StatsWriter out)
      : seat{token, number, limit, std::move(start)},
        stats(out),
        context(around.pool, 0, 1, &events),
        promoting(seat, next, stats, context),
        listening(seat, receive),
        place(seat,
              {around.datagrams, listening, around.pool, around.token_event, around.stop_event,
               around.idle_end},
              stats, context) {}

  // A round of the lane: its step, then its wait.
  bool run_and_wait() { return place.wait(listening.run()); }

  LeaderSeat seat;
  StatsWriter stats;
  EventRing events;
  LaneContext context;
  NextStub next;
  StepStub receive;
  PromotingStep promoting;
  LeaderStep listening;
  LeaderWait place;
};

class HandoffTest : public testing::Test {
 protected:
  static constexpr std::uint32_t kLanes = 3;
  static constexpr std::uint32_t kLimit = 4;
  static constexpr std::uint32_t kSlots = 8;

  HandoffTest() {
    for (int& event : events_) event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  }
  ~HandoffTest() override {
    for (const int event : events_) close(event);
    close(stop_event_);
  }

  void make(std::uint32_t started, std::uint32_t min = 1) {
    token_.emplace(events_, LeaderTokenOptions{started, min, kLimit});
    for (std::uint32_t i = 0; i < kLanes; ++i)
      lanes_.push_back(std::make_unique<LaneUnderTest>(
          *token_, i, kLimit,
          [this](std::uint32_t lane) {
            asked_to_start_.push_back(lane);
            return start_error_;
          },
          Surroundings{datagrams_, pool_, events_[i], stop_event_, idle_end_}, ledger_.open()));
  }
  LaneUnderTest& lane(std::uint32_t number) { return *lanes_[number]; }
  std::span<const std::uint32_t> promote(std::uint32_t from, std::size_t messages) {
    batch_.resize(messages);
    return lane(from).promoting.run_inline(batch_, 1234);
  }
  // Waits without another run. `full_`: whether replies wait for room.
  bool wait(std::uint32_t number) {
    return lane(number).place.wait({0, full_ != nullptr ? Next::need_room : Next::empty, full_});
  }
  void stop() { NativePlatform::signal(stop_event_); }
  // Waits as the lane, while another thread calls `other` once the lane sleeps.
  bool wait_while(std::uint32_t number, const std::function<void()>& other) {
    return test::wait_meanwhile([&] { return wait(number); },
                                [lane = gettid()] { wait_until_asleep(lane); }, other);
  }

  test::StageLedger ledger_;
  std::array<int, kLanes> events_{};
  int stop_event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  test::Own<SlotPool> pool_{kSlots};
  std::chrono::milliseconds idle_end_{1h};
  int start_error_ = 0;
  std::vector<std::uint32_t> asked_to_start_;
  std::vector<std::uint32_t> batch_;
  PlaceStub datagrams_;
  DatagramSocket* full_ = nullptr;
  std::optional<LeaderToken> token_;
  std::vector<std::unique_ptr<LaneUnderTest>> lanes_;
};

// --- the step that listens ---

TEST_F(HandoffTest, OnlyTheLaneThatHasTheTokenReceives) {
  make(2);
  EXPECT_EQ(lane(0).listening.run(), has_moved(7));
  EXPECT_EQ(lane(1).listening.run(), RunResult{});
  EXPECT_EQ(lane(1).receive.runs, 0);
}

TEST_F(HandoffTest, BeforeAWaitTheReceiveStepGivesUpWhatOthersCouldUse) {
  make(2);
  for (std::uint32_t i = 0; i < 2; ++i) {
    lane(i).listening.before_wait();
    EXPECT_EQ(lane(i).receive.waits_announced, 1);
  }
}

// --- promoting another lane ---

TEST_F(HandoffTest, TheTokenIsPassedOnBeforeTheMessagesAreProcessed) {
  make(2);
  lane(0).next.look = [this] {
    EXPECT_TRUE(token_->is_leader(1));
    EXPECT_EQ(token_->load_guess(0), 3u);
  };
  batch_ = {5, 6, 7};
  EXPECT_THAT(promote(0, 3), IsEmpty());
  EXPECT_THAT(lane(0).next.got, ElementsAre(5u, 6u, 7u));
  EXPECT_GT(lane(0).next.got_at, 1234u) << "what promoting took is not the next step's";
  EXPECT_EQ(token_->load_guess(0), 0u) << "all are answered";
  EXPECT_EQ(ledger_.total(Counter::handoffs), 1u);
  EXPECT_EQ(ledger_.total(Counter::futex_wakes), 0u) << "the other lane was awake";
  EXPECT_EQ(ledger_.total(Counter::threads_started), 0u);
}

TEST_F(HandoffTest, WhatTheStepBehindDoesNotTakeIsHandedBack) {
  make(2);
  lane(0).next.leaves = 2;
  batch_ = {5, 6, 7};
  EXPECT_THAT(promote(0, 3), ElementsAre(6u, 7u));
}

TEST_F(HandoffTest, NoMoreIsReceivedAtATimeThanALaneMayHold) {
  make(2);
  EXPECT_EQ(lane(0).promoting.max_inline(), kLimit);
}

TEST_F(HandoffTest, ALaneAloneKeepsTheTokenAndNothingIsCounted) {
  make(1);
  EXPECT_THAT(promote(0, kLimit - 1), IsEmpty());
  EXPECT_TRUE(token_->is_leader(0));
  EXPECT_THAT(asked_to_start_, IsEmpty());
  EXPECT_EQ(ledger_.total(Counter::handoffs), 0u);
}

TEST_F(HandoffTest, WhereAllAreFullAnotherLaneIsStarted) {
  make(1);
  lane(0).next.look = [this] { EXPECT_TRUE(token_->is_leader(1)); };
  promote(0, kLimit);
  EXPECT_THAT(asked_to_start_, ElementsAre(1u));
  EXPECT_EQ(ledger_.total(Counter::threads_started), 1u);
  EXPECT_EQ(ledger_.total(Counter::handoffs), 1u);
  EXPECT_EQ(token_->open_guess(), 2u);
}

TEST_F(HandoffTest, WhereNoneCanBeStartedTheLaneTakesTheTokenWhenItHasAnswered) {
  make(1);
  for (const int error : {EAGAIN, ECANCELED}) {
    start_error_ = error;
    asked_to_start_.clear();
    lane(0).next.look = [this] { EXPECT_TRUE(token_->parked_guess()); };
    promote(0, kLimit);
    EXPECT_THAT(asked_to_start_, ElementsAre(1u));
    EXPECT_TRUE(token_->is_leader(0));
    EXPECT_FALSE(token_->parked_guess());
    EXPECT_EQ(token_->open_guess(), 1u);
  }
  EXPECT_EQ(ledger_.total(Counter::threads_started), 0u);
  EXPECT_EQ(ledger_.total(Counter::handoffs), 0u);
  // Once: with ECANCELED no thread was tried.
  EXPECT_EQ(ledger_.total(Counter::thread_start_errors), 1u);
  EXPECT_THAT(test::events_of(lane(0).events),
              ElementsAre(test::has_error(EventKind::thread_not_started, EAGAIN)));
  ASSERT_TRUE(lane(0).context.troubles.look(Trouble::thread_start));
  EXPECT_EQ(lane(0).context.troubles.look(Trouble::thread_start)->number, EAGAIN);
  start_error_ = 0;
  lane(0).next.look = {};
  promote(0, kLimit);
  EXPECT_FALSE(lane(0).context.troubles.look(Trouble::thread_start)) << "it is over";
}

// To start a thread takes as long as several messages.
TEST_F(HandoffTest, WhatPassingTookIsNotTheNextStepsTime) {
  make(1);
  promote(0, 1);
  EXPECT_EQ(lane(0).next.got_at, 1234u) << "it kept the token";
  promote(0, kLimit);
  EXPECT_GT(lane(0).next.got_at, 1234u);
}

// --- where a lane waits ---

TEST_F(HandoffTest, WithTheTokenItWaitsForDatagrams) {
  make(2);
  lane(0).receive.result = {0, Next::need_slot};
  EXPECT_TRUE(lane(0).run_and_wait());
  EXPECT_EQ(datagrams_.last.next, Next::need_slot) << "or for what else its receive step needs";
  datagrams_.result = false;
  EXPECT_FALSE(lane(0).run_and_wait()) << "the last one to receive needs no leave to end";
  EXPECT_EQ(datagrams_.waits, 2);
}

TEST_F(HandoffTest, WithoutItItSleepsUntilItComes) {
  make(2);
  EXPECT_TRUE(wait_while(1, [this] { promote(0, 2); }));
  EXPECT_TRUE(token_->is_leader(1));
  EXPECT_EQ(datagrams_.waits, 0);
  EXPECT_EQ(ledger_.total(Counter::futex_wakes), 1u);
  EXPECT_TRUE(lane(1).run_and_wait());
  EXPECT_EQ(datagrams_.waits, 1);
}

// After the stop a lane that waits for datagrams ends if its last run found none. A run without the
// token has not looked, so the datagrams would stay in the sockets.
TEST_F(HandoffTest, ATokenThatComesAfterTheRunIsUsedForARunFirst) {
  make(2);
  datagrams_.result = false;
  EXPECT_EQ(lane(1).listening.run().moved, 0u);
  promote(0, 2);
  ASSERT_TRUE(token_->is_leader(1));
  EXPECT_TRUE(wait(1)) << "it has not looked at the sockets";
  EXPECT_EQ(datagrams_.waits, 0);
  EXPECT_EQ(lane(1).listening.run().moved, 7u);
  EXPECT_FALSE(wait(1));
}

TEST_F(HandoffTest, ATokenThatHasComeMeanwhileIsNotSleptOver) {
  make(2);
  promote(0, 2);
  EXPECT_TRUE(wait(1));
  EXPECT_EQ(ledger_.total(Counter::wait_calls), 0u);
}

TEST_F(HandoffTest, AnIdleLaneEndsUnlessTooFewWouldRemain) {
  idle_end_ = 1ms;
  make(3, 2);
  EXPECT_FALSE(wait(2));
  EXPECT_EQ(token_->open_guess(), 2u);
  EXPECT_EQ(ledger_.total(Counter::threads_ended), 1u);
  EXPECT_TRUE(wait(1));
  EXPECT_EQ(token_->open_guess(), 2u);
  EXPECT_EQ(ledger_.total(Counter::threads_ended), 1u);
  promote(0, 2);
  EXPECT_TRUE(token_->is_leader(1)) << "it can still be given the token";
}

TEST_F(HandoffTest, OneThatHasEndedIsStartedAgain) {
  idle_end_ = 1ms;
  make(2);
  ASSERT_FALSE(wait(1));
  promote(0, kLimit);
  EXPECT_THAT(asked_to_start_, ElementsAre(1u));
  EXPECT_TRUE(token_->is_leader(1));
}

TEST_F(HandoffTest, WithRepliesThatWaitForRoomAnIdleLaneStays) {
  test::FullSocket full;
  full_ = &full;
  idle_end_ = 1ms;
  make(2);
  EXPECT_TRUE(wait(1));
  EXPECT_EQ(ledger_.total(Counter::threads_ended), 0u);
  EXPECT_EQ(token_->open_guess(), 2u);
}

TEST_F(HandoffTest, RoomInASocketWakesItWithoutTheToken) {
  test::FullSocket full;
  full_ = &full;
  make(2);
  EXPECT_TRUE(wait_while(1, [&full] { full.make_room(); }));
  EXPECT_FALSE(token_->is_leader(1));
}

TEST_F(HandoffTest, AtTheStopALaneWithoutTheTokenEnds) {
  make(3, 3);
  EXPECT_TRUE(wait_while(1, [this] { stop(); })) << "its steps run once more";
  EXPECT_FALSE(wait(1)) << "however few remain";
  EXPECT_EQ(token_->open_guess(), 2u);
  EXPECT_EQ(ledger_.total(Counter::threads_ended), 0u) << "it was no transient one";
  promote(0, 2);
  EXPECT_TRUE(token_->is_leader(2)) << "no token for one that has ended";
}

TEST_F(HandoffTest, AtTheStopRepliesAreSentFirst) {
  test::FullSocket full;
  full_ = &full;
  make(2);
  stop();
  EXPECT_TRUE(wait(1));
  EXPECT_TRUE(wait_while(1, [&full] { full.make_room(); })) << "the stop wakes it once only";
  full_ = nullptr;
  EXPECT_FALSE(wait(1));
}

TEST_F(HandoffTest, AtTheStopATokenThatComesIsTaken) {
  make(2);
  stop();
  EXPECT_TRUE(wait(1));
  promote(0, 2);
  EXPECT_TRUE(lane(1).run_and_wait());
  EXPECT_EQ(datagrams_.waits, 1) << "what the sockets still hold is for the leader";
}

TEST_F(HandoffTest, AClosedPoolEndsALaneWithoutTheTokenAtOnce) {
  test::FullSocket full;
  full_ = &full;
  make(2);
  pool_->free_slots().close();
  EXPECT_FALSE(wait(1));
  EXPECT_EQ(ledger_.total(Counter::wait_calls), 0u);
}

}  // namespace
}  // namespace cpss
