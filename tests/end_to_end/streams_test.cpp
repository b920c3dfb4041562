// Standard streams that are closed, full or never read, and a terminal that closes.
#include <filesystem>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"

namespace cpss {
namespace {

using testing::HasSubstr;

TEST(Streams, WhatCannotBeToldDoesNotChangeTheExitCode) {
  for (const std::string where : {"2>/dev/full", "2>&-"}) {
    SCOPED_TRACE(where);
    EXPECT_EQ(run_program(by_shell("exec \"$0\" --bogus " + where, program::kServer)).code, 64);
    EXPECT_EQ(run_program(by_shell("exec \"$0\" --qslots 0 " + where, program::kServer)).code, 78);
    EXPECT_EQ(run_program(by_shell("exec \"$0\" --bogus " + where, program::kBlast)).code, 2);
  }
}

TEST(Streams, OutputThatCannotBeWrittenIsAnError) {
  for (const std::string option :
       {"--help", "--version", "--sample-config", "--print-config", "--check-config"})
    for (const std::string where : {">/dev/full", ">&-"}) {
      SCOPED_TRACE(option + where);
      const Finished result =
          run_program(by_shell("exec \"$0\" " + option + " " + where, program::kServer));
      EXPECT_EQ(result.code, 70);
      EXPECT_THAT(result.errors, HasSubstr("standard output"));
    }
}

// Else the log would be written into the socket or file that got the number of standard error.
TEST(Streams, ClosedOnesAreNotGivenToOurOwnFiles) {
  ServerProcess server(by_shell("exec \"$0\" <&- >&- 2>&-", program::kServer), {});
  const std::string descriptors = "/proc/" + std::to_string(server.process().pid()) + "/fd/";
  for (const char* number : {"0", "1", "2"})
    EXPECT_EQ(std::filesystem::read_symlink(descriptors + number), "/dev/null") << number;
  server.expect_clean_end();
}

TEST(Streams, TheServerOutlivesTheReaderOfItsLog) {
  const TemporaryFolder folder;
  const std::string stats_file = folder.file("stats");
  Program pipeline(
      by_shell("{ \"$0\"; echo $? >" + folder.file("code") + "; } 2>&1 | true", program::kServer),
      {{"CPSS_LISTEN", "127.0.0.1:0"}, {"CPSS_STATS_FILE", stats_file}});
  nlohmann::json stats = nlohmann::json::object();
  for (int i = 0; i < 1000 && stats.value("state", "") != "live"; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    stats = program::stats_of(stats_file);
    if (!stats.is_object()) stats = nlohmann::json::object();
  }
  ASSERT_EQ(stats.value("state", ""), "live");
  kill(stats.at("pid").get<pid_t>(), SIGTERM);
  EXPECT_TRUE(pipeline.wait(kPatience));
  EXPECT_EQ(read_file(folder.file("code")), "0\n");
  EXPECT_EQ(program::stats_of(stats_file).at("state"), "stopped");
}

}  // namespace
}  // namespace cpss
