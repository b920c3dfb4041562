#include "tests/support/program.h"

#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <system_error>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

namespace cpss {
namespace {

using namespace std::chrono_literals;

std::vector<std::string> shell(const std::string& script) {
  return {"/bin/sh", "-c", script};
}

TEST(StartedProgram, TellsOutputsAndExitCode) {
  const Finished run = run_program(shell("echo out; echo err >&2; exit 7"));
  EXPECT_EQ(run.code, 7);
  EXPECT_EQ(run.output, "out\n");
  EXPECT_EQ(run.errors, "err\n");
}

TEST(StartedProgram, TellsTheSignalThatEndedIt) {
  EXPECT_EQ(run_program(shell("kill -TERM $$")).code, 128 + SIGTERM);
}

TEST(StartedProgram, HasTheGivenEnvironmentAndNothingOfOurs) {
  ::setenv("CPSS_BATCH", "5", 1);
  const Finished run =
      run_program(shell("echo $GIVEN $CPSS_BATCH; read line || echo end"), {{"GIVEN", "value"}});
  ::unsetenv("CPSS_BATCH");
  EXPECT_EQ(run.output, "value\nend\n");
}

// As where the tests run in the background of a shell script.
TEST(StartedProgram, IgnoresNoSignalBecauseTheTestsDo) {
  for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM}) {
    const auto before = std::signal(number, SIG_IGN);
    const Finished run = run_program(shell("kill -" + std::to_string(number) + " $$"));
    std::signal(number, before);
    EXPECT_EQ(run.code, 128 + number);
  }
}

TEST(StartedProgram, CanBeWatchedAndSignalled) {
  Program program(
      shell("trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.01; done"));
  for (int i = 0; i < 1000 && program.output().empty(); ++i) EXPECT_FALSE(program.wait(10ms));
  EXPECT_TRUE(program.running());
  program.signal(SIGINT);
  EXPECT_EQ(program.finish().code, 3);
  EXPECT_FALSE(program.running());
  EXPECT_EQ(program.output(), "ready\ncaught\n");
}

TEST(StartedProgram, WritesItsErrorsToATerminal) {
  const std::string script = "test -t 2 && ! test -t 1 && seq 10000 >&2";
  const Finished run = Program(shell(script), {}, Program::Errors::to_a_terminal).finish();
  EXPECT_EQ(run.code, 0);
  EXPECT_THAT(run.errors, testing::StartsWith("1\r\n2\r\n"));
  EXPECT_THAT(run.errors, testing::EndsWith("\r\n10000\r\n"));
  EXPECT_EQ(run.output, "");
}

TEST(StartedProgram, EndsWithItsObject) {
  pid_t pid = -1;
  {
    const Program program(shell("exec sleep 1000"), {}, Program::Errors::to_a_terminal);
    pid = program.pid();
    EXPECT_EQ(::kill(pid, 0), 0);
  }
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST(StartedProgram, ThatDoesNotEndIsAFailure) {
  Program program(shell("echo why >&2; exec sleep 1000"));
  while (program.errors().empty()) EXPECT_FALSE(program.wait(1ms));
  EXPECT_THAT([&] { program.finish(0s); },
              testing::ThrowsMessage<std::runtime_error>(testing::HasSubstr("why")));
}

TEST(StartedProgram, ThatCannotBeStartedIsAFailure) {
  EXPECT_THAT([] { Program({"/nonexistent/program"}); },
              testing::ThrowsMessage<std::system_error>(testing::HasSubstr("/nonexistent")));
}

}  // namespace
}  // namespace cpss
