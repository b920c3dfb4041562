// The program as a user meets it: exit codes, what goes to which output, signals.
#include "tests/tools/udpblast/program.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/tools/udpblast/responder.h"
#include "tests/tools/udpblast/temporary_file.h"

namespace cpss::udpblast {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::string port_of(const Responder& server) {
  return std::to_string(server.port());
}

void wait_for_requests(const Responder& server, std::uint64_t count) {
  for (int i = 0; i < 5'000 && server.received() < count; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  ASSERT_GE(server.received(), count);
}

TEST(Program, HelpAndVersion) {
  const ProgramResult help = run_program({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.out, AllOf(HasSubstr("examples:"), HasSubstr("--stats-interval")));
  EXPECT_THAT(help.err, IsEmpty());
  const ProgramResult version = run_program({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.out, StartsWith("udpblast "));
}

TEST(Program, BadOptionsAreExitCode2) {
  const ProgramResult unknown = run_program({"--bogus"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, AllOf(HasSubstr("--bogus"), HasSubstr("--help")));
  EXPECT_THAT(unknown.out, IsEmpty());
  EXPECT_EQ(run_program({}).exit_code, 2);
  EXPECT_EQ(run_program({"--count", "0"}).exit_code, 2);
  EXPECT_EQ(run_program({"--count", "1", "--size", "15"}).exit_code, 2);
}

TEST(Program, UnreadableDataIsExitCode2) {
  const ProgramResult missing = run_program({"-d", "/nonexistent/queries.tsv"});
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_THAT(missing.err, HasSubstr("/nonexistent/queries.tsv: No such file or directory"));
  const TemporaryFile file("1\t\nbad\n");
  const ProgramResult bad = run_program({"-d", file.path()});
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_THAT(bad.err, HasSubstr(file.path() + ":2: no TAB"));
}

#ifndef __SANITIZE_ADDRESS__  // UBSan, which comes with it, needs descriptors for its own checks
TEST(Program, TooManySocketsIsExitCode2) {
  const ProgramResult result =
      Program({"--count", "1", "-c", "100", "-q", "100"}, Program::Errors::captured, 50).wait();
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("ulimit -n"));
}
#endif

TEST(Program, TwoHundredThousandAllRight) {
  const Responder server(ping_replies());
  const ProgramResult result = run_program({"-p", port_of(server), "--count", "200000", "--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, IsEmpty());
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json.at("sent"), 200'000);
  EXPECT_EQ(json.at("right"), 200'000);
  EXPECT_EQ(json.at("lost"), 0);
  EXPECT_EQ(json.at("exit_code"), 0);
  EXPECT_EQ(server.received(), 200'000u);
  RecordProperty("report", result.out);
}

TEST(Program, WrongReplyIsExitCode1AndToldInBothOutputs) {
  const Responder server(ping_replies(), {.mischief = {{3, Mischief::change_code}}});
  const ProgramResult result = run_program({"-p", port_of(server), "--count", "10", "--json"});
  EXPECT_EQ(result.exit_code, 1);
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json.at("wrong"), 1);
  EXPECT_THAT(json.at("problems").at(0).get<std::string>(),
              AllOf(StartsWith("1 wrong reply; first: message 4, ping, transaction 0x"),
                    HasSubstr("expected found, got internal error")));
  EXPECT_THAT(result.err, HasSubstr("udpblast: 1 wrong reply; first: message 4, ping"));
}

TEST(Program, NoServerIsExitCode1WithAHint) {
  std::string port;
  {
    const Responder gone(ping_replies());
    port = port_of(gone);
  }
  const ProgramResult result = run_program({"-p", port, "--count", "1000"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("is cpssd running"));
}

TEST(Program, IntervalReports) {
  const Responder server(ping_replies());
  const ProgramResult result = run_program({"-p", port_of(server), "-l", "1", "-S", "0.2"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  // On a busy machine a line may be late, and then stands for two.
  const auto lines = std::ranges::count(result.err, '\n');
  EXPECT_GE(lines, 2) << result.err;
  EXPECT_LE(lines, 6) << result.err;
  EXPECT_THAT(result.err, HasSubstr(" s  sent "));
  EXPECT_THAT(result.out, HasSubstr("all right"));
}

TEST(Program, ProgressOnATerminal) {
  const Responder server(ping_replies());
  const ProgramResult result =
      Program({"-p", port_of(server), "-l", "1.3"}, Program::Errors::on_a_terminal).wait();
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, AllOf(HasSubstr(" %  "), HasSubstr("messages"), HasSubstr("s left")));
}

TEST(Program, CtrlCEndsTheRunWithItsSummary) {
  const Responder server(ping_replies());
  Program program({"-p", port_of(server), "-l", "50", "--json"});
  wait_for_requests(server, 1'000);
  program.signal(SIGINT);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json.at("interrupted"), true);
  EXPECT_GE(json.at("sent"), 1'000);
  EXPECT_EQ(json.at("sent"), json.at("right"));
  EXPECT_EQ(json.at("outstanding"), 0);
}

TEST(Program, CtrlCTellsWhatWasWrongSoFar) {
  const Responder server(ping_replies(), {.mischief = {{10, Mischief::repeat}}});
  Program program({"-p", port_of(server), "-l", "50"});
  wait_for_requests(server, 1'000);
  program.signal(SIGTERM);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, AllOf(HasSubstr("ended early by a signal"),
                                HasSubstr("1 duplicate; first: message 11, ping")));
}

TEST(Program, SecondCtrlCDoesNotWaitForReplies) {
  const Responder server(ping_replies(), {.answer_at_most = 5});
  Program program({"-p", port_of(server), "-l", "50", "-q", "10", "-t", "40", "--json"});
  wait_for_requests(server, 15);
  program.signal(SIGINT);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  program.signal(SIGINT);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.exit_code, 1);
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json.at("outstanding"), 10);
  EXPECT_EQ(json.at("right"), 5);
}

}  // namespace
}  // namespace cpss::udpblast
