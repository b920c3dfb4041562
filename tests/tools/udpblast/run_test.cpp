// Whole runs inside this process, against a server that makes the mistakes that a test orders.
#include "tools/udpblast/run.h"

#include <cerrno>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include "tests/support/allocations.h"
#include "tests/support/failing_calls.h"
#include "tests/support/temporary_folder.h"
#include "tests/tools/udpblast/responder.h"

namespace cpss::udpblast {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

// The time-out of runs with losses: short, but longer than a busy machine keeps a thread waiting.
constexpr std::uint64_t kShortTimeoutNs = 1'000'000'000;

Options options_for(std::uint16_t port) {
  Options options;
  options.server = SocketAddress(*IpAddress::parse("127.0.0.1"), port);
  return options;
}

struct Outcome {
  RunResult result;
  ExitCode code;
  std::vector<std::string> problems;

  std::uint64_t operator[](Count count) const { return result.totals[count]; }
};

Outcome run(const Options& options) {
  const auto workload = make_workload(options);
  RunResult result = run_blast(options, *workload);
  return {result, exit_code(result, options), problems(result, options)};
}

// 1,000 look-ups, with a mistake in the reply to the request numbered 100. More than one message is
// outstanding, but the requests of one socket arrive in order, so it is line 101.
Outcome run_lookups_with(Mischief mischief) {
  std::string lines;
  std::map<std::string, std::string, std::less<>> rows;
  for (int i = 0; i < 1'000; ++i) {
    const std::string number = fmt::format("4420{:04}", i);
    const std::string body = fmt::format("prefix=4420{:04};gateway=gw{}", i, i % 7);
    lines += number + "\t" + body + "\n";
    rows[number] = body;
  }
  const TemporaryFolder folder;
  const Responder server(lookup_replies(rows),
                         {.mischief = {{100, mischief}}, .delay_ns = kShortTimeoutNs * 8 / 5});
  Options options = options_for(server.port());
  options.data_file = folder.write("queries.tsv", lines);
  options.timeout_ns = kShortTimeoutNs;
  Outcome outcome = run(options);
  EXPECT_EQ(outcome[Count::sent], 1'000u);
  EXPECT_EQ(server.received(), 1'000u);
  EXPECT_EQ(outcome.code, ExitCode::not_right);
  return outcome;
}

constexpr const char* kLine101 =
    R"(message 101, number 44200100 \([^ ]*:101\), transaction 0x[0-9a-f]{16})";

TEST(Run, AllRight) {
  const Responder server(ping_replies());
  Options options = options_for(server.port());
  options.count = 20'000;
  const Outcome outcome = run(options);
  EXPECT_EQ(outcome.code, ExitCode::all_right);
  EXPECT_THAT(outcome.problems, IsEmpty());
  EXPECT_EQ(outcome[Count::sent], 20'000u);
  EXPECT_EQ(outcome[Count::right], 20'000u);
  EXPECT_EQ(outcome[Count::packets_in], 20'000u);
  EXPECT_EQ(outcome.result.totals.latency.count(), 20'000u);
  EXPECT_EQ(server.received(), 20'000u);
  EXPECT_GT(outcome.result.messages_per_second(), 0);
  EXPECT_GT(outcome.result.cpu_us_per_message(), 0);
}

TEST(Run, SeveralClientsAndThreads) {
  const Responder server(echo_replies());
  Options options = options_for(server.port());
  options.service = ServiceKind::echo;
  options.count = 30'001;
  options.clients = 7;
  options.threads = 3;
  options.outstanding = 100;
  options.size = 77;
  const Outcome outcome = run(options);
  EXPECT_EQ(outcome.code, ExitCode::all_right);
  EXPECT_EQ(outcome[Count::right], 30'001u);
  EXPECT_EQ(server.received(), 30'001u);
}

TEST(Run, EndsAfterTheTime) {
  const Responder server(ping_replies());
  Options options = options_for(server.port());
  options.run_ns = 300'000'000;
  const Outcome outcome = run(options);
  EXPECT_EQ(outcome.code, ExitCode::all_right);
  EXPECT_GT(outcome[Count::sent], 0u);
  EXPECT_GT(outcome.result.seconds, 0.25);
  EXPECT_LT(outcome.result.seconds, 5);
}

TEST(Run, CountBeyondTheDataBeginsAgain) {
  const TemporaryFolder folder;
  const Responder server(lookup_replies({{"1", "prefix=1"}, {"3", "prefix=3"}}));
  Options options = options_for(server.port());
  options.data_file = folder.write("queries.tsv", "1\tprefix=1\n2\t\n3\tprefix=3\n");
  options.count = 1'000;
  const Outcome outcome = run(options);
  EXPECT_EQ(outcome.code, ExitCode::all_right);
  EXPECT_EQ(outcome[Count::right], 1'000u);
}

TEST(Run, NeverMoreOutstandingThanAskedFor) {
  const Responder silent(ping_replies(), {.answer_at_most = 0});
  Options options = options_for(silent.port());
  options.timeout_ns = kShortTimeoutNs;
  options.count = 1'000;
  options.outstanding = 10;
  options.clients = 3;
  options.run_ns = 100'000'000;
  const Outcome outcome = run(options);
  EXPECT_EQ(outcome[Count::sent], 10u);
  EXPECT_EQ(silent.received(), 10u);
}

// Set-up and report allocate, the same for every run; messages do not.
TEST(Run, NothingIsAllocatedForAMessage) {
  const Responder server(echo_replies());
  Options options = options_for(server.port());
  options.service = ServiceKind::echo;
  const auto allocations_of = [&](std::uint64_t count) {
    options.count = count;
    const auto workload = make_workload(options);
    const std::uint64_t before = allocations();
    const RunResult result = run_blast(options, *workload);
    const std::uint64_t after = allocations();
    EXPECT_EQ(result.totals[Count::right], count);
    return after - before;
  };
  allocations_of(1);  // for all that the program makes only once
  const std::uint64_t few = allocations_of(200);
  EXPECT_GT(few, 0u);
  EXPECT_EQ(allocations_of(20'000), few);
}

TEST(Run, WrongRow) {
  const Outcome outcome = run_lookups_with(Mischief::change_body);
  EXPECT_EQ(outcome[Count::wrong], 1u);
  EXPECT_EQ(outcome[Count::right], 999u);
  EXPECT_THAT(outcome.problems,
              ElementsAre(MatchesRegex(std::string("1 wrong reply; first: ") + kLine101 +
                                       ": expected found 'prefix=44200100;gateway=gw2', got found "
                                       "'qrefix=44200100;gateway=gw2'")));
}

TEST(Run, EveryKindOfWrongReplyIsSeen) {
  for (const Mischief mischief : {Mischief::change_last, Mischief::change_code, Mischief::cut_last,
                                  Mischief::cut_to_header, Mischief::longer}) {
    const Outcome outcome = run_lookups_with(mischief);
    EXPECT_EQ(outcome[Count::wrong], 1u) << static_cast<int>(mischief);
    EXPECT_EQ(outcome[Count::right], 999u);
    EXPECT_THAT(outcome.problems, ElementsAre(StartsWith("1 wrong reply; first: message 101, ")));
  }
}

TEST(Run, OneLost) {
  const Outcome outcome = run_lookups_with(Mischief::drop);
  EXPECT_EQ(outcome[Count::timed_out], 1u);
  EXPECT_EQ(outcome[Count::right], 999u);
  EXPECT_THAT(outcome.problems,
              ElementsAre(MatchesRegex(R"(1 lost \(0.10000 %\); first: )" + std::string(kLine101) +
                                       R"(, sent 0\.[0-9]{3} s after the start)")));
}

TEST(Run, OneRepeated) {
  const Outcome outcome = run_lookups_with(Mischief::repeat);
  EXPECT_EQ(outcome[Count::duplicate], 1u);
  EXPECT_EQ(outcome[Count::right], 1'000u);
  EXPECT_EQ(outcome[Count::packets_in], 1'001u);
  EXPECT_THAT(outcome.problems,
              ElementsAre(MatchesRegex(std::string("1 duplicate; first: ") + kLine101)));
}

// The reply comes 0.6 s after the time-out, and so after the 0.25 s for which every run listens on.
TEST(Run, OneLate) {
  const Outcome outcome = run_lookups_with(Mischief::delay);
  EXPECT_EQ(outcome[Count::late], 1u);
  EXPECT_EQ(outcome[Count::timed_out], 1u);
  EXPECT_EQ(outcome[Count::right], 999u);
  EXPECT_EQ(outcome[Count::packets_in], 1'000u);
  EXPECT_THAT(
      outcome.problems,
      ElementsAre(
          MatchesRegex(R"(1 late reply; first: 1\.[0-9]{3} s after it was sent, time-out 1 s: )" +
                       std::string(kLine101)),
          StartsWith("1 lost (0.10000 %), of these 1 answered late; first: message 101")));
}

TEST(Run, OneUnknown) {
  const Outcome outcome = run_lookups_with(Mischief::unknown_id);
  EXPECT_EQ(outcome[Count::unknown], 1u);
  EXPECT_EQ(outcome[Count::timed_out], 1u);  // the message it should have answered
  EXPECT_THAT(outcome.problems,
              ElementsAre(StartsWith("1 unknown reply (never asked for); first: transaction 0x"),
                          StartsWith("1 lost")));
}

TEST(Run, RepliesThatAreNone) {
  for (const Mischief mischief : {Mischief::cut_to_4, Mischief::reply_as_request}) {
    const Outcome outcome = run_lookups_with(mischief);
    EXPECT_EQ(outcome[Count::malformed], 1u);
    EXPECT_EQ(outcome[Count::timed_out], 1u);
    EXPECT_THAT(outcome.problems,
                ElementsAre(StartsWith("1 malformed reply (not of this protocol); first: "),
                            StartsWith("1 lost")));
  }
}

TEST(Run, WithoutCheckContentDoesNotCount) {
  const Responder server(echo_replies(), {.mischief = {{5, Mischief::change_body}}});
  Options options = options_for(server.port());
  options.service = ServiceKind::echo;
  options.count = 100;
  EXPECT_EQ(run(options).code, ExitCode::not_right);
  const Responder again(echo_replies(), {.mischief = {{5, Mischief::change_body}}});
  options.server.set_port(again.port());
  options.check = false;
  EXPECT_EQ(run(options).code, ExitCode::all_right);
}

TEST(Run, LossUpToTheLimitIsAllowed) {
  for (const auto& [max_loss, code] :
       std::map<double, ExitCode>{{0.019, ExitCode::not_right}, {0.02, ExitCode::all_right}}) {
    const Responder server(ping_replies(),
                           {.mischief = {{5, Mischief::drop}, {77, Mischief::drop}}});
    Options options = options_for(server.port());
    options.timeout_ns = kShortTimeoutNs;
    options.count = 100;
    options.max_loss = max_loss;
    const Outcome outcome = run(options);
    EXPECT_EQ(outcome[Count::timed_out], 2u);
    EXPECT_EQ(outcome.code, code) << max_loss;
  }
}

// One message is outstanding at a time: nine are lost one by one, then three in a row, a silence of
// three time-outs. The run goes on all the same.
TEST(Run, ALostMessageMakesRoomForTheNext) {
  std::map<std::uint64_t, Mischief> drops;
  for (std::uint64_t i = 1; i < 18; i += 2) drops[i] = Mischief::drop;
  for (std::uint64_t i = 30; i < 33; ++i) drops[i] = Mischief::drop;
  const Responder server(ping_replies(), {.mischief = drops});
  Options options = options_for(server.port());
  options.count = 50;
  options.outstanding = 1;
  options.timeout_ns = 250'000'000;
  const Outcome outcome = run(options);
  EXPECT_EQ(outcome[Count::sent], 50u);
  EXPECT_EQ(outcome[Count::timed_out], 12u);
  EXPECT_EQ(outcome[Count::right], 38u);
}

TEST(Run, ClosedPort) {
  std::uint16_t port = 0;
  {
    const Responder gone(ping_replies());
    port = gone.port();
  }
  Options options = options_for(port);
  options.count = 10;  // all of them outstanding at once
  options.timeout_ns = 30'000'000'000;
  const auto begin = std::chrono::steady_clock::now();
  const Outcome outcome = run(options);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(15));
  EXPECT_EQ(outcome.code, ExitCode::not_right);
  EXPECT_EQ(outcome[Count::outstanding], 10u);
  EXPECT_GT(outcome[Count::connection_refused], 0u);
  EXPECT_EQ(outcome[Count::packets_in], 0u);
  EXPECT_TRUE(outcome.result.gave_up);
  EXPECT_THAT(outcome.problems, Contains(AllOf(HasSubstr("no reply at all from 127.0.0.1:"),
                                               HasSubstr("nothing listens there"))));
}

TEST(Run, ServerThatNeverAnswers) {
  const Responder silent(ping_replies(), {.answer_at_most = 0});
  Options options = options_for(silent.port());
  options.timeout_ns = kShortTimeoutNs;
  options.count = 1'000'000;
  const Outcome outcome = run(options);
  EXPECT_EQ(outcome.code, ExitCode::not_right);
  EXPECT_TRUE(outcome.result.gave_up);
  EXPECT_THAT(outcome.problems,
              Contains(AllOf(HasSubstr("no reply at all"), HasSubstr("is cpssd running"))));
}

TEST(Run, ServerThatStopsAnswering) {
  const Responder server(ping_replies(), {.answer_at_most = 1'000});
  Options options = options_for(server.port());
  options.timeout_ns = kShortTimeoutNs;
  options.count = 1'000'000;
  options.max_loss = 1;
  const Outcome outcome = run(options);
  EXPECT_EQ(outcome[Count::right], 1'000u);
  EXPECT_EQ(outcome.code, ExitCode::not_right);
  EXPECT_THAT(outcome.problems, Contains(HasSubstr("stopped answering")));
}

TEST(Run, RepliesNobodyAskedFor) {
  const Responder server([](std::span<std::byte> window, std::size_t length) {
    window[0] ^= std::byte{0xff};  // of the transaction id
    return length;
  });
  Options options = options_for(server.port());
  options.service = ServiceKind::echo;
  options.timeout_ns = kShortTimeoutNs;
  options.count = 10;
  const Outcome outcome = run(options);
  EXPECT_EQ(outcome[Count::unknown], 10u);
  EXPECT_EQ(outcome[Count::timed_out], 10u);
}

// The socket stays readable, so the next try would follow at once.
TEST(Run, ACallThatGoesOnFailingDoesNotTurnItAtFullSpeed) {
  for (const long call : {SYS_recvmmsg, SYS_epoll_pwait2}) {
    const Responder server(ping_replies());
    Options options = options_for(server.port());
    options.count = 1;
    options.timeout_ns = 500'000'000;
    std::optional<Outcome> outcome;
    const auto begin = std::chrono::steady_clock::now();
    std::thread([&] {
      test::let_calls_fail({call}, ENOMEM);
      outcome.emplace(run(options));
    }).join();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    // A pause of 1 ms follows each.
    EXPECT_GT((*outcome)[Count::receive_errors], 0u) << call;
    EXPECT_LE(static_cast<double>((*outcome)[Count::receive_errors]), took.count()) << call;
    EXPECT_EQ(outcome->code, ExitCode::not_right) << call;
    EXPECT_THAT(outcome->problems, Contains(HasSubstr("Cannot allocate memory"))) << call;
  }
}

TEST(Run, OneByOneOverIpv6) {
  std::unique_ptr<const Responder> server;
  try {
    server = std::make_unique<const Responder>(ping_replies(), Plan{}, "::1");
  } catch (const std::system_error& error) {
    GTEST_SKIP() << "no IPv6 here: " << error.what();
  }
  Options options = options_for(server->port());
  options.server = SocketAddress(*IpAddress::parse("::1"), server->port());
  options.count = 1'000;
  options.outstanding = 1;
  const Outcome outcome = run(options);
  EXPECT_EQ(outcome.code, ExitCode::all_right);
  EXPECT_EQ(outcome[Count::right], 1'000u);
}

TEST(OpenLoop, EveryPlannedMessageIsSentAndAnswered) {
  const Responder server(ping_replies());
  Options options = options_for(server.port());
  options.rate = 20'000;
  options.count = 10'001;
  options.clients = 3;
  options.threads = 2;
  const Outcome outcome = run(options);
  EXPECT_EQ(outcome.code, ExitCode::all_right);
  EXPECT_EQ(outcome[Count::planned], 10'001u);
  EXPECT_EQ(outcome[Count::right], 10'001u);
  EXPECT_EQ(outcome[Count::missed], 0u);
  EXPECT_EQ(outcome.result.totals.lag.count(), 10'001u);
  EXPECT_EQ(outcome.result.totals.latency.count(), 10'001u);
  EXPECT_GE(outcome.result.sending_s, 0.5);
  ASSERT_TRUE(outcome.result.schedule);
  EXPECT_EQ(outcome.result.schedule->asked_per_s, 20'000);
}

TEST(OpenLoop, TheTimeLimitSaysHowManyMessages) {
  const Responder server(ping_replies());
  Options options = options_for(server.port());
  options.rate = 1'000;
  options.run_ns = 300'000'000;
  const Outcome outcome = run(options);
  EXPECT_EQ(outcome[Count::planned], 300u);
  EXPECT_EQ(outcome[Count::sent], 300u);
}

TEST(OpenLoop, BurstsComeAtOnceAndOnTime) {
  const Responder server(ping_replies());
  Options options = options_for(server.port());
  options.burst = Burst{100, 50'000'000};
  options.count = 250;
  const Outcome outcome = run(options);
  EXPECT_EQ(outcome.code, ExitCode::all_right);
  EXPECT_EQ(outcome[Count::right], 250u);
  EXPECT_GE(outcome.result.seconds, 0.1);  // the third burst
  EXPECT_DOUBLE_EQ(outcome.result.sending_s, 0.15);
}

// A server that never answers stops a closed loop, not an open one.
TEST(OpenLoop, RepliesAreNotWaitedForAndTimeOutsAreInTheLatencies) {
  const Responder server(ping_replies(), {.answer_at_most = 10});
  Options options = options_for(server.port());
  options.rate = 1'000;
  options.count = 500;
  options.timeout_ns = 200'000'000;
  const Outcome outcome = run(options);
  EXPECT_EQ(outcome[Count::sent], 500u);
  EXPECT_EQ(outcome[Count::right], 10u);
  EXPECT_EQ(outcome[Count::timed_out], 490u);
  EXPECT_EQ(outcome.result.totals.latency.count(), 500u);
  EXPECT_GE(outcome.result.totals.latency.percentile(0.5), 200'000'000u);
  EXPECT_FALSE(outcome.result.gave_up);
}

// The plan has more messages than may wait for a server that does not answer.
Options without_room(std::uint16_t port) {
  Options options = options_for(port);
  options.rate = 1'000;
  options.count = 200;
  options.outstanding = 10;
  options.timeout_ns = kShortTimeoutNs;
  return options;
}

TEST(OpenLoop, WithoutRoomMessagesAreMissedAndCounted) {
  const Responder silent(ping_replies(), {.answer_at_most = 1});
  const Outcome outcome = run(without_room(silent.port()));
  EXPECT_EQ(outcome[Count::planned], 200u);
  EXPECT_EQ(outcome[Count::sent], 11u);
  EXPECT_EQ(outcome[Count::missed], 189u);
  EXPECT_EQ(silent.received(), 11u);
  EXPECT_FALSE(outcome.result.schedule->kept);
  EXPECT_THAT(outcome.problems, Contains(HasSubstr("189 of 200 planned message(s) missed")));
}

// Every loss is allowed: only the messages that were never sent decide.
TEST(OpenLoop, TooManyMissedMessagesAreNotAllRight) {
  for (const auto& [max_missed, code] :
       std::map<double, ExitCode>{{0.94, ExitCode::not_right}, {0.95, ExitCode::all_right}}) {
    const Responder silent(ping_replies(), {.answer_at_most = 1});
    Options options = without_room(silent.port());
    options.max_loss = 1;
    options.max_missed = max_missed;
    const Outcome outcome = run(options);
    EXPECT_EQ(outcome[Count::missed], 189u);
    EXPECT_EQ(outcome.code, code) << max_missed;
  }
}

TEST(OpenLoop, NothingIsAllocatedForAMessage) {
  const Responder server(echo_replies());
  Options options = options_for(server.port());
  options.service = ServiceKind::echo;
  options.rate = 50'000;
  const auto allocations_of = [&](std::uint64_t count) {
    options.count = count;
    const auto workload = make_workload(options);
    const std::uint64_t before = allocations();
    run_blast(options, *workload);
    return allocations() - before;
  };
  allocations_of(1);
  const std::uint64_t few = allocations_of(200);
  EXPECT_EQ(allocations_of(20'000), few);
}

TEST(OpenLoop, GivesUpWhereNothingListens) {
  std::uint16_t port = 0;
  {
    const Responder gone(ping_replies());
    port = gone.port();
  }
  Options options = options_for(port);
  options.rate = 100;
  options.run_ns = 50'000'000'000;
  const Outcome outcome = run(options);
  EXPECT_TRUE(outcome.result.gave_up);
  EXPECT_EQ(outcome.code, ExitCode::not_right);
  EXPECT_LT(outcome[Count::planned], 4'000u) << "what comes after the end is not planned";
}

TEST(Run, BusyRepliesAreLossButNotWrong) {
  const Responder server(ping_replies(), {.mischief = {{5, Mischief::busy}, {77, Mischief::busy}}});
  Options options = options_for(server.port());
  options.count = 100;
  const Outcome outcome = run(options);
  EXPECT_EQ(outcome[Count::busy], 2u);
  EXPECT_EQ(outcome[Count::right], 98u);
  EXPECT_EQ(outcome[Count::wrong], 0u);
  EXPECT_EQ(outcome.result.totals.lost(), 2u);
  EXPECT_EQ(outcome.result.totals.latency.count(), 98u);
  EXPECT_EQ(outcome.code, ExitCode::not_right);
  EXPECT_THAT(outcome.problems,
              ElementsAre(MatchesRegex(R"(2 lost \(2.00000 %\), of these 2 answered "busy"; )"
                                       R"(first: message 6, ping, transaction 0x[0-9a-f]{16})")));
}

}  // namespace
}  // namespace cpss::udpblast
