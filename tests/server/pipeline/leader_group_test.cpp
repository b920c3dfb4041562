// Who starts lanes that listen one at a time, and when. The starts are only counted: no thread
// runs.
#include "server/pipeline/leader_group.h"

#include <cerrno>
#include <chrono>
#include <functional>
#include <future>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/stages/stage_ledger.h"
#include "tests/support/eventually.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

PipelineOptions one_of_two_lanes() {
  PipelineOptions options;
  options.lanes = 1;
  options.max_lanes = 2;
  options.handoff_limit = 1;
  return options;
}

class LeaderGroupTest : public testing::Test {
 protected:
  // The token is parked: lane 0 is full, and lane 1 could not be started.
  void fail_to_start() {
    start_ = [] { throw std::system_error(EAGAIN, std::generic_category()); };
    ASSERT_EQ(token().promote(0, 1, true).token, TokenGoes::start);
    EXPECT_EQ(seat_.start(1), EAGAIN);
    ASSERT_EQ(token().start_failed(0, 1).token, TokenGoes::parked);
    asked_.clear();
  }
  // Ticks as main does until `condition` holds.
  template <class Condition>
  bool tick_until(Condition condition) {
    return eventually(
        [&] {
          leaders_.relieve(stats_, scoreboard_);
          return condition();
        },
        20s, 5ms);
  }
  LeaderToken& token() { return seat_.token; }

  std::function<void()> start_ = [] {};
  std::vector<std::uint32_t> asked_;
  LeaderGroup leaders_{one_of_two_lanes(), [this](std::uint32_t lane) {
                         asked_.push_back(lane);
                         start_();
                       }};
  const LeaderSeat& seat_ = leaders_.seat(0);
  Scoreboard scoreboard_{{"lane-0", "lane-1"}, 0, 1, 1, Sharing::process_private};
  test::StageLedger ledger_;
  StatsWriter stats_ = ledger_.open();
};

TEST_F(LeaderGroupTest, WhatAStartThrowsIsAnErrorOfThatStart) {
  start_ = [] { throw std::bad_alloc(); };
  EXPECT_EQ(seat_.start(1), ENOMEM);
  EXPECT_EQ(seat_.start(1), ECANCELED) << "not at once";
  EXPECT_THAT(asked_, ElementsAre(1u));
}

// Lane 0 stays inside its message.
TEST_F(LeaderGroupTest, AfterAFailedStartMainStartsTheLaneThoughNoneComesBy) {
  fail_to_start();
  start_ = [] {};
  EXPECT_TRUE(tick_until([&] { return token().is_leader(1); }));
  EXPECT_THAT(asked_, ElementsAre(1u));
  EXPECT_EQ(ledger_.total(Counter::threads_started), 1u);
  EXPECT_EQ(ledger_.total(Counter::handoffs), 1u);
  EXPECT_EQ(ledger_.total(Counter::thread_start_errors), 0u);
  EXPECT_FALSE(scoreboard_.troubles(1).look(Trouble::thread_start));
}

TEST_F(LeaderGroupTest, MainSaysThatAStartFailedAndTriesAgainAfterAPause) {
  fail_to_start();
  EXPECT_TRUE(tick_until([&] { return asked_.size() == 2; }));
  EXPECT_TRUE(token().parked_guess());
  EXPECT_EQ(token().open_guess(), 1u);
  EXPECT_EQ(ledger_.total(Counter::thread_start_errors), 2u);
  EXPECT_EQ(ledger_.total(Counter::handoffs), 0u);
  ASSERT_TRUE(scoreboard_.troubles(1).look(Trouble::thread_start));
  EXPECT_EQ(scoreboard_.troubles(1).look(Trouble::thread_start)->number, EAGAIN);
  Event event;
  ASSERT_TRUE(scoreboard_.events(1).take(event));
  EXPECT_EQ(event.kind, EventKind::thread_not_started);
  EXPECT_TRUE(token().done(0)) << "the token is not lost";
}

TEST_F(LeaderGroupTest, AtTheStopNoneIsStarted) {
  fail_to_start();
  EXPECT_TRUE(leaders_.start_no_more());
  EXPECT_EQ(seat_.start(1), ECANCELED);
  for (int i = 0; i < 30; ++i) {
    leaders_.relieve(stats_, scoreboard_);
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_THAT(asked_, IsEmpty());
  EXPECT_TRUE(token().parked_guess());
}

// A thread that starts a lane may stand still; main must not wait for it.
TEST_F(LeaderGroupTest, MainWaitsForNobodyWhoStartsALane) {
  std::promise<void> inside;
  std::promise<void> go_on;
  start_ = [&] {
    inside.set_value();
    go_on.get_future().wait();
  };
  std::thread lane([&] { EXPECT_EQ(seat_.start(1), 0); });
  inside.get_future().wait();
  leaders_.relieve(stats_, scoreboard_);
  EXPECT_FALSE(leaders_.start_no_more()) << "one has begun";
  go_on.set_value();
  lane.join();
  EXPECT_TRUE(leaders_.start_no_more());
}

}  // namespace
}  // namespace cpss
