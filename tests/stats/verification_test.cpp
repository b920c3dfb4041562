#include "stats/verification.h"

#include <functional>

#include <gtest/gtest.h>

#include "tests/stats/sample_server.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

using Situation = Verification::Situation;

// The server works during the pauses; no time passes.
class VerificationTest : public testing::Test {
 protected:
  std::optional<Verification> verify_while(const std::function<void(int pause)>& working) {
    pauses_ = 0;
    return verify(
        [&] {
          Reading reading{state_, "", server_.region.snapshot()};
          reading.snapshot->heartbeat_ns = reading.snapshot->taken_ns - heartbeat_age_ns_;
          return reading;
        },
        [&](std::chrono::milliseconds time) {
          EXPECT_EQ(time.count(), 100);
          working(pauses_++);
        });
  }

  TemporaryFolder folder_;
  test::SampleServer server_{folder_.file("stats")};
  RegionState state_ = RegionState::live;
  std::uint64_t heartbeat_age_ns_ = 0;
  int pauses_ = 0;
};

TEST_F(VerificationTest, AtRestTwoReadingsAreEnough) {
  server_.answered(10);
  const auto result = verify_while([](int) {});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->situation, Situation::at_rest);
  EXPECT_TRUE(result->holds());
  EXPECT_EQ(pauses_, 1);
}

TEST_F(VerificationTest, WaitsForRest) {
  const auto result = verify_while([&](int pause) {
    if (pause < 4) server_.answered(3);
  });
  EXPECT_EQ(result->situation, Situation::at_rest);
  EXPECT_EQ(result->reading.snapshot->total("received"), 12u);
  EXPECT_EQ(pauses_, 5);
}

TEST_F(VerificationTest, TimesAndHeartbeatsAreNotMovement) {
  const auto result = verify_while([&](int) {
    server_.region.heartbeat();
    server_.service.add(Counter::sem_wait_ns, 5);
    server_.service.add(Counter::busy_ns, 5);
  });
  EXPECT_EQ(result->situation, Situation::at_rest);
  EXPECT_EQ(pauses_, 1);
}

TEST_F(VerificationTest, UnderTrafficTheBoundsAreCheckedAfterASecond) {
  const auto result = verify_while([&](int) { server_.answered(1); });
  EXPECT_EQ(result->situation, Situation::moving);
  EXPECT_TRUE(result->holds());
  EXPECT_EQ(result->checked.size(), 2u);
  EXPECT_EQ(pauses_, 10);
}

TEST_F(VerificationTest, ABoundThatIsBrokenOnceIsFound) {
  const auto result = verify_while([&](int pause) {
    server_.answered(1);
    if (pause == 3) server_.response.book(Reason::answered);
    if (pause == 4) server_.receive.add(Counter::received);
  });
  EXPECT_FALSE(result->holds());
  EXPECT_EQ(pauses_, 4);
}

TEST_F(VerificationTest, AWrongCountAtRestIsFound) {
  server_.answered(10);
  server_.receive.add(Counter::received);
  const auto result = verify_while([](int) {});
  EXPECT_EQ(result->situation, Situation::at_rest);
  EXPECT_FALSE(result->holds());
}

TEST_F(VerificationTest, AMessageBeingWorkedOnIsNoRest) {
  server_.take_in(1);
  const auto result = verify_while([&](int pause) {
    if (pause == 7) {
      server_.serve(1);
      server_.answer(1);
    }
  });
  EXPECT_EQ(result->situation, Situation::at_rest);
  EXPECT_TRUE(result->holds());
  EXPECT_EQ(pauses_, 9);
}

TEST_F(VerificationTest, AMessageThatAServiceIsLongAtIsNoError) {
  server_.answered(3);
  server_.take_in(1);
  const auto result = verify_while([](int) {});
  EXPECT_EQ(result->situation, Situation::standing);
  EXPECT_TRUE(result->holds());
  EXPECT_EQ(pauses_, 10);
}

TEST_F(VerificationTest, WithMessagesInsideTheRestHasToAddUp) {
  server_.take_in(1);
  server_.receive.add(Counter::received);
  const auto result = verify_while([](int) {});
  EXPECT_EQ(result->situation, Situation::standing);
  EXPECT_FALSE(result->holds());
}

TEST_F(VerificationTest, LessThanNothingInsideIsFound) {
  server_.answered(3);
  server_.receive.add(Counter::received);
  server_.response.add(Counter::given_back);
  server_.response.book(Reason::answered);
  const auto result = verify_while([](int) {});
  EXPECT_EQ(result->situation, Situation::at_rest);
  EXPECT_FALSE(result->holds());
}

TEST_F(VerificationTest, AMessageLeftInsideAServerThatEndedIsFound) {
  state_ = RegionState::stopped;
  heartbeat_age_ns_ = 60'000'000'000;
  server_.take_in(1);
  const auto result = verify_while([](int) {});
  EXPECT_EQ(result->situation, Situation::at_rest);
  EXPECT_FALSE(result->holds());
  EXPECT_EQ(pauses_, 1);
}

// The server stopped between two counters: received, not yet filled; booked, not yet given back.
TEST_F(VerificationTest, AServerStoppedInTheMiddleOfItsWorkIsJudgedByTheBounds) {
  server_.take_in(5);
  server_.receive.add(Counter::received, 3);
  server_.service.book(Reason::no_answer, 2);
  for (const RegionState state : {RegionState::live, RegionState::stale}) {
    state_ = state;
    heartbeat_age_ns_ = state == RegionState::live ? 1'000'000'000 : 0;
    const auto result = verify_while([](int) {});
    EXPECT_EQ(result->situation, Situation::silent);
    EXPECT_TRUE(result->holds());
    EXPECT_EQ(result->checked.size(), 2u);
    EXPECT_EQ(pauses_, 1);
  }
  server_.service.book(Reason::no_answer, 7);
  EXPECT_FALSE(verify_while([](int) {})->holds()) << "more ended than were received";
}

// The counters stand still while the last heartbeat is still young.
TEST_F(VerificationTest, AServerThatHasJustBeenStoppedIsNotCalledBroken) {
  server_.receive.add(Counter::received, 3);
  const auto result = verify_while([&](int) { heartbeat_age_ns_ += 100'000'000; });
  EXPECT_EQ(result->situation, Situation::silent);
  EXPECT_TRUE(result->holds());
  EXPECT_EQ(pauses_, 10);
}

TEST_F(VerificationTest, LongestCaseEnds) {
  const auto result = verify_while([&](int pause) {
    if (pause < 9) server_.answered(1);
    if (pause == 8) server_.take_in(1);  // this one never ends
  });
  EXPECT_EQ(result->situation, Situation::standing);
  EXPECT_LE(pauses_, 20);
}

TEST_F(VerificationTest, NothingIsVerifiedAcrossARestartOrALoss) {
  int reads = 0;
  const auto no_pause = [](std::chrono::milliseconds) {};
  const auto reading = [&] { return Reading{RegionState::live, "", server_.region.snapshot()}; };
  EXPECT_FALSE(verify([] { return Reading(); }, no_pause));
  EXPECT_FALSE(verify([&] { return ++reads == 1 ? reading() : Reading(); }, no_pause));
  reads = 0;
  EXPECT_FALSE(verify(
      [&] {
        Reading next = reading();
        next.snapshot->facts.generation += static_cast<std::uint64_t>(reads++);
        return next;
      },
      no_pause));
}

}  // namespace
}  // namespace cpss
