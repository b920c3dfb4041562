#include "stats/verification.h"

#include <functional>

#include <gtest/gtest.h>

#include "tests/stats/sample_server.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

// The server works during the pauses; no time passes.
class VerificationTest : public testing::Test {
 protected:
  std::optional<Verification> verify_while(const std::function<void(int pause)>& working) {
    pauses_ = 0;
    return verify([&] { return std::optional(server_.region.snapshot()); },
                  [&](std::chrono::milliseconds time) {
                    EXPECT_EQ(time.count(), 100);
                    working(pauses_++);
                  });
  }

  TemporaryFolder folder_;
  test::SampleServer server_{folder_.file("stats")};
  int pauses_ = 0;
};

TEST_F(VerificationTest, AtRestTwoReadingsAreEnough) {
  server_.answered(10);
  const auto result = verify_while([](int) {});
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->at_rest);
  EXPECT_TRUE(result->holds());
  EXPECT_EQ(pauses_, 1);
}

TEST_F(VerificationTest, WaitsForRest) {
  const auto result = verify_while([&](int pause) {
    if (pause < 4) server_.answered(3);
  });
  EXPECT_TRUE(result->at_rest);
  EXPECT_EQ(result->snapshot.total("received"), 12u);
  EXPECT_EQ(pauses_, 5);
}

TEST_F(VerificationTest, TimesAndHeartbeatsAreNotMovement) {
  const auto result = verify_while([&](int) {
    server_.region.heartbeat();
    server_.service.add(Counter::sem_wait_ns, 5);
    server_.service.add(Counter::busy_ns, 5);
  });
  EXPECT_TRUE(result->at_rest);
  EXPECT_EQ(pauses_, 1);
}

TEST_F(VerificationTest, UnderTrafficTheBoundsAreCheckedAfterASecond) {
  const auto result = verify_while([&](int) { server_.answered(1); });
  EXPECT_FALSE(result->at_rest);
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
  EXPECT_TRUE(result->at_rest);
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
  EXPECT_TRUE(result->at_rest);
  EXPECT_TRUE(result->holds());
  EXPECT_EQ(pauses_, 9);
}

TEST_F(VerificationTest, AMessageThatNeverMovesAgainIsFound) {
  server_.answered(3);
  server_.take_in(1);
  const auto result = verify_while([](int) {});
  EXPECT_TRUE(result->at_rest);
  EXPECT_FALSE(result->holds());
  EXPECT_EQ(pauses_, 10);
}

TEST_F(VerificationTest, LongestCaseEnds) {
  const auto result = verify_while([&](int pause) {
    if (pause < 9) server_.answered(1);
    if (pause == 8) server_.take_in(1);  // and it never leaves
  });
  EXPECT_TRUE(result->at_rest);
  EXPECT_FALSE(result->holds());
  EXPECT_LE(pauses_, 20);
}

TEST_F(VerificationTest, NothingIsVerifiedAcrossARestartOrALoss) {
  int reads = 0;
  const auto no_pause = [](std::chrono::milliseconds) {};
  EXPECT_FALSE(verify([] { return std::optional<Snapshot>(); }, no_pause));
  EXPECT_FALSE(
      verify([&] { return ++reads == 1 ? std::optional(server_.region.snapshot()) : std::nullopt; },
             no_pause));
  reads = 0;
  EXPECT_FALSE(verify(
      [&] {
        Snapshot snapshot = server_.region.snapshot();
        snapshot.facts.generation += static_cast<std::uint64_t>(reads++);
        return std::optional(snapshot);
      },
      no_pause));
}

}  // namespace
}  // namespace cpss
