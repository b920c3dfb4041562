// A service that takes for ever to make a lane's state: the start waits for it, and a signal can
// end the start all the same.
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/end_to_end/every_model.h"
#include "tests/end_to_end/gate_file.h"
#include "tests/end_to_end/programs.h"
#include "tests/support/eventually.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

using testing::HasSubstr;

class SlowStart : public testing::TestWithParam<ModelUnderTest> {
 protected:
  Environment settings() const {
    return under(GetParam(), {{"CPSS_LISTEN", "127.0.0.1:0"},
                              {"CPSS_STATS_FILE", stats_file_},
                              {"CPSS_SERVICE", "slow-to-start"},
                              {"TEST_GATE", gate_.path()}});
  }
  static void wait_until_said(Program& server, const char* text) {
    ASSERT_TRUE(eventually([&] { return server.errors().find(text) != std::string::npos; }))
        << server.errors();
  }
  // The server is making a lane's state, and goes on with that while the gate is closed.
  static void wait_until_at_the_gate(Program& server) {
    wait_until_said(server, "slow-to-start: at the gate");
  }

  const GateFile gate_;
  const TemporaryFolder folder_;
  const std::string stats_file_ = folder_.file("stats");
};

TEST_P(SlowStart, IsEndedWithinASecond) {
  for (const int signal : {SIGTERM, SIGINT}) {
    SCOPED_TRACE(strsignal(signal));
    Program server({program::kTestServer}, settings());
    wait_until_at_the_gate(server);
    server.signal(signal);
    // A second, and the delay of a busy machine.
    const auto code = server.wait(std::chrono::seconds(10));
    if (GetParam().name != "mp_prefork") {
      EXPECT_EQ(code, 128 + signal) << server.errors();
      EXPECT_FALSE(std::filesystem::exists(stats_file_)) << "as if it had not been started";
      continue;
    }
    // Its other processes may have received something.
    EXPECT_EQ(code, 1) << server.errors();
    EXPECT_THAT(server.errors(), HasSubstr("while its processes started"));
    EXPECT_EQ(program::stats_of(stats_file_).at("state"), "stopped");
    EXPECT_EQ(program::stats_of(stats_file_).at("ledger").at("residual"), 0);
  }
}

TEST_P(SlowStart, GoesOnOnceTheServiceDoes) {
  Program server({program::kTestServer}, settings());
  wait_until_at_the_gate(server);
  gate_.open();
  wait_until_said(server, "ready: ");
  server.signal(SIGTERM);
  EXPECT_EQ(server.wait(std::chrono::seconds(20)), 0) << server.errors();
}

INSTANTIATE_TEST_SUITE_P(Models, SlowStart, testing::ValuesIn(every_model()), model_name);

}  // namespace
}  // namespace cpss
