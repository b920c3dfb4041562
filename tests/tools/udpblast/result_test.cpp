#include "tools/udpblast/result.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/time_units.h"

namespace cpss::udpblast {
namespace {

using test::kMs;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Totals sent_with_lag(std::uint64_t planned, std::uint64_t sent, std::uint64_t lag_ns) {
  Tally tally;
  tally.add(Count::planned, planned);
  tally.add(Count::sent, sent);
  tally.add(Count::missed, planned - sent);
  tally.add(Count::right, sent);
  tally.add(Count::packets_in, sent);
  for (std::uint64_t i = 0; i < sent; ++i) tally.record_lag(lag_ns);
  return tally.read();
}

Options at_rate(std::uint64_t rate) {
  Options options;
  options.rate = rate;
  return options;
}

TEST(ScheduleQuality, Kept) {
  const ScheduleQuality quality = judge_schedule(at_rate(100), sent_with_lag(200, 200, kMs / 2), 2);
  EXPECT_TRUE(quality.kept);
  EXPECT_DOUBLE_EQ(quality.achieved_ratio, 1);
  EXPECT_EQ(quality.asked_per_s, 100);
}

TEST(ScheduleQuality, NotKeptIfLate) {
  EXPECT_FALSE(judge_schedule(at_rate(100), sent_with_lag(200, 200, 2 * kMs), 2).kept);
}

TEST(ScheduleQuality, NotKeptIfTooFewOrTooSlow) {
  const ScheduleQuality few = judge_schedule(at_rate(100), sent_with_lag(200, 190, 0), 2);
  EXPECT_FALSE(few.kept);
  EXPECT_DOUBLE_EQ(few.achieved_ratio, 0.95);
  const ScheduleQuality slow = judge_schedule(at_rate(100), sent_with_lag(200, 200, 0), 2.5);
  EXPECT_FALSE(slow.kept);
  EXPECT_DOUBLE_EQ(slow.achieved_ratio, 0.8);
}

TEST(ScheduleQuality, ABurstMayTakeATenthOfItsGap) {
  Options options;
  options.burst = Burst{100, 50 * kMs};
  const Totals totals = sent_with_lag(150, 150, 4 * kMs);  // one and a half
  EXPECT_DOUBLE_EQ(planned_s(options, totals), 0.1);
  EXPECT_TRUE(judge_schedule(options, totals, 0.1).kept);
  options.burst = Burst{100, 5 * kMs};
  EXPECT_EQ(allowed_lag_ns(options), kMs);
}

TEST(Result, ARunThatDidNotKeepItsScheduleSaysSo) {
  const Options options = at_rate(100);
  RunResult result;
  result.totals = sent_with_lag(200, 190, 0);
  result.schedule = judge_schedule(options, result.totals, 2);
  EXPECT_THAT(problems(result, options),
              ElementsAre(HasSubstr("10 of 200 planned message(s) missed"),
                          AllOf(HasSubstr("did not keep its schedule"), HasSubstr("95.00 %"))));
}

// The load was not sent as asked for, so its answers do not show that the server is all right.
TEST(Result, MoreMissedThanAllowedIsNotRight) {
  Options options = at_rate(100);
  RunResult result;
  result.totals = sent_with_lag(1'000, 990, 0);
  EXPECT_EQ(exit_code(result, options), ExitCode::all_right);
  EXPECT_THAT(problems(result, options), ElementsAre(HasSubstr("within --max-missed 1 %")));
  result.totals = sent_with_lag(1'000, 989, 0);
  EXPECT_EQ(exit_code(result, options), ExitCode::not_right);
  EXPECT_THAT(problems(result, options),
              ElementsAre(AllOf(HasSubstr("(1.10 %)"), HasSubstr("more than --max-missed 1 %"))));
  options.max_missed = 0.011;
  EXPECT_EQ(exit_code(result, options), ExitCode::all_right);
  options.max_missed.reset();
  options.part = Part::send;
  result.totals = sent_with_lag(1'000, 999, 0);
  EXPECT_EQ(exit_code(result, options), ExitCode::not_right);
}

TEST(Result, WhoseNameHasSeveralAddressesIsToldTheOthers) {
  Options options;
  options.server = SocketAddress(*IpAddress::parse("::1"), 7700);
  options.server_name = "localhost";
  options.server_others = {"127.0.0.1"};
  Tally tally;
  tally.add(Count::sent, 1);
  tally.add(Count::timed_out, 1);
  RunResult result;
  result.totals = tally.read();
  EXPECT_THAT(problems(result, options),
              Contains(AllOf(HasSubstr("no reply at all from localhost ([::1]:7700)"),
                             HasSubstr("localhost is also 127.0.0.1"))));
}

TEST(Result, BusyIsLoss) {
  Tally tally;
  tally.add(Count::sent, 4);
  tally.add(Count::right, 3);
  tally.add(Count::busy, 1);
  tally.add(Count::packets_in, 4);
  RunResult result;
  result.totals = tally.read();
  Options options;
  EXPECT_EQ(exit_code(result, options), ExitCode::not_right);
  EXPECT_THAT(problems(result, options),
              ElementsAre(HasSubstr("1 lost (25.00000 %), of these 1 answered \"busy\"")));
  options.max_loss = 0.25;
  EXPECT_EQ(exit_code(result, options), ExitCode::all_right);
}

TEST(Result, TheHalfThatSendsIsRightIfItSentAll) {
  Options options = at_rate(100);
  options.part = Part::send;
  RunResult result;
  EXPECT_EQ(exit_code(result, options), ExitCode::could_not_run);
  Tally tally;
  tally.add(Count::planned, 5);
  tally.add(Count::sent, 5);
  result.totals = tally.read();
  EXPECT_EQ(exit_code(result, options), ExitCode::all_right);
  EXPECT_THAT(problems(result, options), IsEmpty());
  tally.add(Count::connection_refused);
  result.totals = tally.read();
  EXPECT_EQ(exit_code(result, options), ExitCode::not_right);
  EXPECT_THAT(problems(result, options), Contains(HasSubstr("nothing listens at")));
}

}  // namespace
}  // namespace cpss::udpblast
