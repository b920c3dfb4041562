// The program as a user sees it: exit codes, outputs, signals.
#include "tests/support/program.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <iterator>
#include <optional>
#include <system_error>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "stats/region.h"
#include "tests/support/eventually.h"
#include "tests/support/pending_signals.h"
#include "tests/support/sanitizers.h"
#include "tests/support/stuck_output.h"
#include "tests/tools/udpblast/responder.h"

namespace cpss::udpblast {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::string port_of(const Responder& server) {
  return std::to_string(server.port());
}

Finished blast(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), CPSS_UDPBLAST);
  return run_program(std::move(arguments));
}

void wait_for_requests(const Responder& server, std::uint64_t count) {
  for (int i = 0; i < 5'000 && server.received() < count; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  ASSERT_GE(server.received(), count);
}

// The seconds in the first line of -S: "     0.2 s  sent 1000 ..."; the status line may stand
// before it.
std::optional<double> seconds_of_first_line(const std::string& text) {
  const std::size_t end = text.find(" s  sent ");
  if (end == std::string::npos) return std::nullopt;
  return std::stod(text.substr(text.find_last_of(' ', end - 1) + 1));
}

TEST(Program, HelpAndVersion) {
  const Finished help = blast({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.output, AllOf(HasSubstr("examples:"), HasSubstr("--stats-interval")));
  EXPECT_THAT(help.errors, IsEmpty());
  const Finished version = blast({"--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_THAT(version.output, StartsWith("udpblast "));
}

TEST(Program, BadOptionsAreExitCode2) {
  const Finished unknown = blast({"--bogus"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.errors, AllOf(HasSubstr("--bogus"), HasSubstr("--help")));
  EXPECT_THAT(unknown.output, IsEmpty());
  EXPECT_EQ(blast({}).code, 2);
  EXPECT_EQ(blast({"--count", "0"}).code, 2);
  EXPECT_EQ(blast({"--count", "1", "--size", "15"}).code, 2);
}

TEST(Program, UnreadableDataIsExitCode2) {
  const Finished missing = blast({"-d", "/nonexistent/queries.tsv"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.errors, HasSubstr("/nonexistent/queries.tsv: No such file or directory"));
  const TemporaryFolder folder;
  const std::string path = folder.write("queries.tsv", "1\t\nbad\n");
  const Finished bad = blast({"-d", path});
  EXPECT_EQ(bad.code, 2);
  EXPECT_THAT(bad.errors, HasSubstr(path + ":2: no TAB"));
}

TEST(Program, TooManySocketsIsExitCode2) {
  if (kUndefinedBehaviorSanitizer)
    GTEST_SKIP() << "UndefinedBehaviorSanitizer needs descriptors to look at memory";
  const Finished result = run_program({"/bin/sh", "-c", "ulimit -n 50; exec \"$0\" \"$@\"",
                                       CPSS_UDPBLAST, "--count", "1", "-c", "100", "-q", "100"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.errors, HasSubstr("ulimit -n"));
}

// With stacks of 1 GB the address space has room for seven threads.
TEST(Program, TooManyThreadsIsExitCode2AndNothingIsSent) {
  if (kSanitized) GTEST_SKIP() << "sanitizers need the address space";
  const Responder server(ping_replies());
  const Finished result = run_program(
      {"/bin/sh", "-c", "ulimit -s 1000000; ulimit -v 8000000; exec \"$0\" \"$@\"", CPSS_UDPBLAST,
       "-p", port_of(server), "--count", "1000", "-T", "64", "-c", "64"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.errors, AllOf(HasSubstr(" of 64 threads could be started"),
                                   HasSubstr("use fewer (-T)"), HasSubstr("'ulimit -u'")));
  EXPECT_THAT(result.output, IsEmpty());
  EXPECT_EQ(server.received(), 0u);
}

TEST(Program, WithoutAReplyThereIsNoLatency) {
  const Responder silent(ping_replies(), {.answer_at_most = 0});
  const Finished result = blast({"-p", port_of(silent), "--count", "10", "-t", "0.1", "--json"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(nlohmann::json::parse(result.output).at("latency_ns").at("p50"), nullptr);
}

TEST(Program, TwoHundredThousandAllRight) {
  const Responder server(ping_replies());
  const Finished result = blast({"-p", port_of(server), "--count", "200000", "--json"});
  EXPECT_EQ(result.code, 0) << result.errors;
  EXPECT_THAT(result.errors, IsEmpty());
  const auto json = nlohmann::json::parse(result.output);
  EXPECT_EQ(json.at("sent"), 200'000);
  EXPECT_EQ(json.at("right"), 200'000);
  EXPECT_EQ(json.at("lost"), 0);
  EXPECT_EQ(json.at("exit_code"), 0);
  EXPECT_EQ(server.received(), 200'000u);
  RecordProperty("report", result.output);
}

TEST(Program, WrongReplyIsExitCode1AndToldInBothOutputs) {
  const Responder server(ping_replies(), {.mischief = {{3, Mischief::change_code}}});
  const Finished result = blast({"-p", port_of(server), "--count", "10", "--json"});
  EXPECT_EQ(result.code, 1);
  const auto json = nlohmann::json::parse(result.output);
  EXPECT_EQ(json.at("wrong"), 1);
  EXPECT_THAT(json.at("problems").at(0).get<std::string>(),
              AllOf(StartsWith("1 wrong reply; first: message 4, ping, transaction 0x"),
                    HasSubstr("expected found, got internal error")));
  EXPECT_THAT(result.errors, HasSubstr("udpblast: 1 wrong reply; first: message 4, ping"));
}

TEST(Program, NoServerIsExitCode1WithAHint) {
  std::string port;
  {
    const Responder gone(ping_replies());
    port = port_of(gone);
  }
  const Finished result = blast({"-p", port, "--count", "1000"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.output, HasSubstr("is cpssd running"));
}

TEST(Program, IntervalReports) {
  const Responder server(ping_replies());
  const Finished result = blast({"-p", port_of(server), "-l", "1", "-S", "0.2"});
  EXPECT_EQ(result.code, 0) << result.errors;
  // On a busy machine a line may be late, and then stands for two.
  const auto lines = std::ranges::count(result.errors, '\n');
  EXPECT_GE(lines, 2) << result.errors;
  EXPECT_LE(lines, 6) << result.errors;
  EXPECT_THAT(result.errors, HasSubstr(" s  sent "));
  EXPECT_THAT(result.output, HasSubstr("all right"));
}

TEST(Program, ProgressOnATerminal) {
  const Responder server(ping_replies());
  const Finished result = Program({CPSS_UDPBLAST, "-p", port_of(server), "-l", "1.3"}, {},
                                  Program::Errors::to_a_terminal)
                              .finish();
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.errors, AllOf(HasSubstr(" %  "), HasSubstr("messages"), HasSubstr("s left")));
}

// Both outputs are the terminal.
TEST(Program, TheReportBeginsWhereTheStatusLineWasCleared) {
  const Responder server(ping_replies());
  const Finished result = Program({"/bin/sh", "-c", "exec \"$0\" \"$@\" >&2", CPSS_UDPBLAST, "-p",
                                   port_of(server), "-l", "1.3"},
                                  {}, Program::Errors::to_a_terminal)
                              .finish();
  EXPECT_EQ(result.code, 0);
  const std::string clear = "\r\x1b[K";
  const std::size_t cleared = result.errors.rfind(clear);
  ASSERT_NE(cleared, std::string::npos);
  EXPECT_THAT(result.errors.substr(cleared + clear.size()),
              AllOf(StartsWith("ping at 127.0.0.1:"), HasSubstr("all right")));
}

TEST(Program, NobodyNeedsToReadWhatItSaysOnTheWay) {
  const Responder server(ping_replies());
  FullPipe pipe;
  StoppedTerminal terminal;
  for (const std::string& place : {pipe.path(), terminal.path()}) {
    Program program({"/bin/sh", "-c", "exec \"$0\" \"$@\" 2>" + place, CPSS_UDPBLAST, "-p",
                     port_of(server), "-l", "1.3", "-S", "0.1", "--json"});
    const Finished result = program.finish(std::chrono::seconds(20));
    EXPECT_EQ(result.code, 0) << place;
    EXPECT_EQ(nlohmann::json::parse(result.output).at("exit_code"), 0) << place;
  }
}

TEST(Program, ATerminalThatGoesOnShowsWhatItHasMissed) {
  const Responder server(ping_replies());
  StoppedTerminal terminal;
  Program program({"/bin/sh", "-c", "exec \"$0\" \"$@\" 2>" + terminal.path(), CPSS_UDPBLAST, "-p",
                   port_of(server), "-l", "50", "-S", "0.1"});
  wait_for_requests(server, 1'000);
  const auto begin = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(std::chrono::seconds(1));
  EXPECT_EQ(terminal.read(), "");
  // The first line is about a moment before this one; a late line stands for those that were due
  // before it.
  const std::chrono::duration<double> stopped_for = std::chrono::steady_clock::now() - begin;
  terminal.go_on();
  std::string text;
  EXPECT_TRUE(
      eventually([&] { return seconds_of_first_line(text += terminal.read()).has_value(); }));
  EXPECT_LT(seconds_of_first_line(text).value_or(100), stopped_for.count()) << text;
  program.signal(SIGINT);
  EXPECT_EQ(program.wait(std::chrono::seconds(20)), 0);
}

TEST(Program, CtrlCEndsItAlsoWhereItsTerminalWasStopped) {
  const Responder server(ping_replies());
  StoppedTerminal terminal;
  Program program({"/bin/sh", "-c", "exec \"$0\" \"$@\" 2>" + terminal.path(), CPSS_UDPBLAST, "-p",
                   port_of(server), "-l", "50", "--json"});
  wait_for_requests(server, 1'000);
  std::this_thread::sleep_for(std::chrono::milliseconds(700));  // the first status line is due
  program.signal(SIGINT);
  const Finished result = program.finish(std::chrono::seconds(20));
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(nlohmann::json::parse(result.output).at("interrupted"), true);
}

TEST(Program, CtrlCEndsTheRunWithItsSummary) {
  const Responder server(ping_replies());
  Program program({CPSS_UDPBLAST, "-p", port_of(server), "-l", "50", "--json"});
  wait_for_requests(server, 1'000);
  program.signal(SIGINT);
  const Finished result = program.finish();
  EXPECT_EQ(result.code, 0) << result.errors;
  const auto json = nlohmann::json::parse(result.output);
  EXPECT_EQ(json.at("interrupted"), true);
  EXPECT_GE(json.at("sent"), 1'000);
  EXPECT_EQ(json.at("sent"), json.at("right"));
  EXPECT_EQ(json.at("outstanding"), 0);
}

TEST(Program, CtrlCTellsWhatWasWrongSoFar) {
  const Responder server(ping_replies(), {.mischief = {{10, Mischief::repeat}}});
  Program program({CPSS_UDPBLAST, "-p", port_of(server), "-l", "50"});
  wait_for_requests(server, 1'000);
  program.signal(SIGTERM);
  const Finished result = program.finish();
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.output, AllOf(HasSubstr("ended early by a signal"),
                                   HasSubstr("1 duplicate; first: message 11, ping")));
}

TEST(Program, SecondCtrlCDoesNotWaitForReplies) {
  const Responder server(ping_replies(), {.answer_at_most = 5});
  Program program(
      {CPSS_UDPBLAST, "-p", port_of(server), "-l", "50", "-q", "10", "-t", "40", "--json"});
  wait_for_requests(server, 15);
  program.signal(SIGINT);
  // A second SIGINT would merge with one that is still pending.
  ASSERT_TRUE(eventually([&] { return !test::has_pending(program.pid(), SIGINT); }));
  program.signal(SIGINT);
  const Finished result = program.finish();
  EXPECT_EQ(result.code, 1);
  const auto json = nlohmann::json::parse(result.output);
  EXPECT_EQ(json.at("outstanding"), 10);
  EXPECT_EQ(json.at("right"), 5);
}

std::size_t threads_of(const Program& program) {
  std::error_code ended;
  const std::filesystem::directory_iterator tasks(
      "/proc/" + std::to_string(program.pid()) + "/task", ended);
  return static_cast<std::size_t>(std::distance(begin(tasks), end(tasks)));
}

// The loops have ended, and udpblast waits for a heartbeat of the server, which does not come, for
// 1 s.
TEST(Program, CtrlCWhileTheServersCountersAreAwaitedLeavesTheReport) {
  if (kSanitized) GTEST_SKIP() << "sanitizers have threads of their own";
  using Clock = std::chrono::steady_clock;
  using std::chrono::milliseconds;
  const Responder server(ping_replies());
  const TemporaryFolder folder;
  StatsRegion region({.path = folder.file("stats"),
                      .model = "seda",
                      .service = "lookup",
                      .listen = {},
                      .blocks = {{"recv-0", StageId::receive}}});
  // Only an attempt in which the signal was certainly sent during that wait counts.
  for (int attempt = 0; attempt < 20; ++attempt) {
    region.set_live();
    const auto begin = Clock::now();
    Program program({CPSS_UDPBLAST, "-p", port_of(server), "--count", "10", "--json",
                     "--stats-file", region.path()});
    while (threads_of(program) < 2 && program.running())
      std::this_thread::sleep_for(milliseconds(1));
    auto loops_ran = begin;
    while (threads_of(program) >= 2) {
      loops_ran = Clock::now();
      std::this_thread::sleep_for(milliseconds(1));
    }
    program.signal(SIGINT);
    const auto sent = Clock::now();
    const Finished result = program.finish();
    if (sent - loops_ran >= milliseconds(500) || sent - begin >= milliseconds(2000)) continue;
    EXPECT_EQ(result.code, 0);
    EXPECT_EQ(nlohmann::json::parse(result.output).at("right"), 10);
    return;
  }
  FAIL() << "the signal was late each time";
}

}  // namespace
}  // namespace cpss::udpblast
