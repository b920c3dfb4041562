// A file named by the user may be a pipe: the program reads it, and reports an error if no process
// writes to it.
#include <chrono>
#include <fstream>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"

namespace cpss {
namespace {

using testing::HasSubstr;

class Input : public testing::Test {
 protected:
  Input() { EXPECT_EQ(mkfifo(fifo_.c_str(), 0600), 0); }
  // Runs the program with a pipe on which it gives up after 0.3 s: 30 s are too long for a test.
  Finished give_up(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), program::kTestServer);
    return run_program(std::move(arguments), {{"TEST_INPUT_PATIENCE_MS", "300"}}, kPatience);
  }

  TemporaryFolder folder_;
  const std::string fifo_ = folder_.file("fifo");
};

TEST_F(Input, IsWaitedForHalfAMinute) {
  const auto begin = std::chrono::steady_clock::now();
  const Finished result = run_program({program::kServer, "--numbers", fifo_, "--check-config"});
  EXPECT_EQ(result.code, 66);
  EXPECT_THAT(result.errors, HasSubstr("no byte came for 30 s"));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
}

TEST_F(Input, OfAPipeThatNobodyWritesIsAnErrorThatNamesIt) {
  const Finished config = give_up({"--config", fifo_, "--check-config"});
  EXPECT_EQ(config.code, 78);
  EXPECT_EQ(config.errors,
            "cpssd: error: " + fifo_ +
                ": cannot be read: no byte came for 0.3 s: does nobody write to it?\n");
  for (const char* how : {"--check-config", "--listen=127.0.0.1:0"}) {
    const Finished numbers = give_up({"--numbers", fifo_, how});
    EXPECT_EQ(numbers.code, 66);
    EXPECT_THAT(numbers.errors,
                HasSubstr("error: " + fifo_ + ": cannot be read: no byte came for 0.3 s"));
  }
}

TEST_F(Input, OfAPipeIsAsGoodAsAFile) {
  std::jthread writer([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    std::ofstream(fifo_) << "prefix,name\n1202555,from a pipe\n";
  });
  ServerProcess server(program::kServer, {{"CPSS_NUMBERS", fifo_}});
  UdpClient client(server.address());
  const auto reply = client.ask(lookup_request("+12025550123", 1, 512));
  ASSERT_TRUE(reply);
  EXPECT_THAT(*reply, HasSubstr("from a pipe"));
  server.expect_clean_end();
}

TEST_F(Input, IsNotWaitedForAfterCtrlC) {
  for (const char* option : {"--config", "--numbers"}) {
    Program server({program::kServer, option, fifo_});
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    ASSERT_TRUE(server.running());
    server.signal(SIGINT);
    EXPECT_EQ(server.wait(std::chrono::seconds(10)), 128 + SIGINT) << option;
  }
}

// The tools map their files, so a pipe will not do.
TEST_F(Input, OfTheToolsIsRefusedAtOnceWhereItIsAPipe) {
  const Finished blast = run_program({program::kBlast, "-d", fifo_, "--count", "1"}, {}, kPatience);
  EXPECT_EQ(blast.code, 2);
  EXPECT_THAT(blast.errors, HasSubstr(fifo_ + ": not a regular file"));
  const Finished getstat = run_program({program::kGetstat, "--file", fifo_}, {}, kPatience);
  EXPECT_EQ(getstat.code, 2);
  EXPECT_THAT(getstat.errors, HasSubstr(fifo_));
  const Finished region = run_program(
      {program::kServer, "--stats-file", fifo_, "--listen", "127.0.0.1:0"}, {}, kPatience);
  EXPECT_EQ(region.code, 73);
  EXPECT_THAT(region.errors, HasSubstr(fifo_));
}

}  // namespace
}  // namespace cpss
