// A log that no process reads, from before the start: a full pipe, a stopped terminal. No lane and
// no thread that starts, ends and replaces waits for it.
#include <cstdint>
#include <map>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/end_to_end/child_processes.h"
#include "tests/end_to_end/every_model.h"
#include "tests/end_to_end/gate_file.h"
#include "tests/end_to_end/notify_socket.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/support/eventually.h"
#include "tests/support/stuck_output.h"

namespace cpss {
namespace {

using testing::HasSubstr;

// Runs `program` with standard error at `place`. Sanitizers may print lines of their own at the
// end, and would wait there: LeakSanitizer reports that it cannot stop a thread that stands in a
// write, ThreadSanitizer that a forced end has not joined some threads.
std::vector<std::string> with_errors_to(const std::string& place, const std::string& program,
                                        const std::string& arguments = "") {
  const std::string silent = "ASAN_OPTIONS=detect_leaks=0 TSAN_OPTIONS=report_thread_leaks=0 ";
  return {"/bin/sh", "-c", silent + "exec \"$0\" " + arguments + " 2>" + place, program};
}

class UnreadLog : public testing::Test {
 protected:
  // The main thread is alive: it alone writes the heartbeat.
  static void expect_heartbeat(const ServerProcess& server) {
    for (int i = 0; i < 3; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
      EXPECT_TRUE(eventually([&] {
        return server.stats().at("heartbeat_age_s").get<double>() < 0.25;
      })) << "the main thread stands still";
    }
  }
  static void expect_forced_end(ServerProcess& server, std::uint64_t inside) {
    EXPECT_EQ(server.process().wait(kPatience), 1);
    server.expect_ledger_balances();
    EXPECT_EQ(server.reason("failed.forced_end"), inside);
    EXPECT_EQ(server.stats().at("state"), "stopped");
  }

  FullPipe pipe_;
  GateFile gate_;
};

class UnreadLogOfModels : public UnreadLog, public testing::WithParamInterface<ModelUnderTest> {
 protected:
  Environment gated(Environment more) const {
    more.insert({{"CPSS_SERVICE", "gated"}, {"TEST_GATE", gate_.path()}});
    // So that only the stage behind the gate stands still.
    if (GetParam().name == "seda") more["CPSS_DISPATCH"] = "queued";
    return under(GetParam(), std::move(more));
  }
};
INSTANTIATE_TEST_SUITE_P(All, UnreadLogOfModels, testing::ValuesIn(every_model()), model_name);

TEST_P(UnreadLogOfModels, DoesNotKeepItFromStartingServingAndEnding) {
  ServerProcess server(with_errors_to(pipe_.path(), program::kServer),
                       under(GetParam(), {{"CPSS_SERVICE", "echo"}}));
  UdpClient client(server.address());
  for (int i = 0; i < 10; ++i) ASSERT_EQ(client.ask("hello"), "hello");
  expect_heartbeat(server);
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), 10u);
}

TEST_P(UnreadLogOfModels, DoesNotHoldUpTheDrainTimeout) {
  ServerProcess server(with_errors_to(pipe_.path(), program::kTestServer),
                       gated({{"CPSS_DRAIN_TIMEOUT", "0.3"}}));
  UdpClient client(server.address());
  ASSERT_EQ(client.send("stays inside"), 0);
  ASSERT_TRUE(eventually([&] { return server.ledger("in_flight") == 1; }));
  server.process().signal(SIGTERM);
  expect_forced_end(server, 1);
}

TEST_P(UnreadLogOfModels, DoesNotHoldUpASecondSignal) {
  ServerProcess server(with_errors_to(pipe_.path(), program::kTestServer),
                       gated({{"CPSS_DRAIN_TIMEOUT", "600"}}));
  UdpClient client(server.address());
  ASSERT_EQ(client.send("stays inside"), 0);
  ASSERT_TRUE(eventually([&] { return server.ledger("in_flight") == 1; }));
  server.process().signal(SIGTERM);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_TRUE(server.process().running());
  server.process().signal(SIGINT);
  expect_forced_end(server, 1);
}

// The log gets a line for each death.
TEST_F(UnreadLog, DoesNotHoldUpTheReplacingOfProcesses) {
  ServerProcess server(with_errors_to(pipe_.path(), program::kServer),
                       {{"CPSS_SERVICE", "echo"}, {"CPSS_MODEL", "mp"}, {"CPSS_LANES", "2"}});
  for (std::uint64_t round = 1; round <= 3; ++round) {
    std::map<pid_t, std::string> children;
    ASSERT_TRUE(eventually([&] { return (children = children_of(server.pid())).size() == 2; }));
    kill(children.begin()->first, SIGKILL);
    ASSERT_TRUE(
        eventually([&] { return server.stats().at("processes").at("started") == 2 + round; }));
  }
  UdpClient client(server.address());
  EXPECT_EQ(client.ask("hello"), "hello");
  server.expect_clean_end();
}

TEST_F(UnreadLog, DoesNotHoldUpTheProcessesOfMessagesThatCrash) {
  ServerProcess server(with_errors_to(pipe_.path(), program::kTestServer),
                       {{"CPSS_SERVICE", "crasher"}, {"CPSS_MODEL", "mp"}, {"CPSS_MP", "fork"}});
  UdpClient client(server.address());
  for (std::uint64_t i = 1; i <= 3; ++i) {
    ASSERT_EQ(client.send("!crash"), 0);
    ASSERT_TRUE(eventually([&] { return server.reason("failed.dead_process") == i; }));
  }
  EXPECT_EQ(client.ask("hello"), "hello");
  server.expect_clean_end();
}

TEST_F(UnreadLog, DoesNotHoldUpTheWatchdog) {
  const NotifySocket manager;
  ServerProcess server(
      with_errors_to(pipe_.path(), program::kServer),
      {{"CPSS_SERVICE", "echo"}, {"NOTIFY_SOCKET", manager.path()}, {"WATCHDOG_USEC", "1000000"}});
  EXPECT_TRUE(manager.hears("READY=1"));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(manager.hears("WATCHDOG=1")) << i;
  server.expect_clean_end();
}

TEST_F(UnreadLog, MayAlsoBeAStoppedTerminal) {
  StoppedTerminal terminal;
  ServerProcess server(with_errors_to(terminal.path(), program::kServer),
                       {{"CPSS_SERVICE", "echo"}});
  UdpClient client(server.address());
  EXPECT_EQ(client.ask("hello"), "hello");
  expect_heartbeat(server);
  terminal.go_on();
  std::string text;
  EXPECT_TRUE(eventually([&] {
    return (text += terminal.read()).find("ready: service echo") != std::string::npos;
  })) << text;
  server.expect_clean_end();
}

TEST_F(UnreadLog, IsAllThereForWhoReadsItLater) {
  ServerProcess server(with_errors_to(pipe_.path(), program::kServer), {{"CPSS_SERVICE", "echo"}});
  std::string text;
  EXPECT_TRUE(eventually([&] {
    return (text += pipe_.read()).find("ready: service echo") != std::string::npos;
  })) << text;
  EXPECT_EQ(server.stats().at("server").at("log_lines_lost"), 0);
  server.expect_clean_end();
  EXPECT_THAT(pipe_.read(), HasSubstr("final ledger"));
}

TEST_F(UnreadLog, LinesThatAreLostAreCounted) {
  ServerProcess server(with_errors_to("/dev/full", program::kServer), {{"CPSS_SERVICE", "echo"}});
  EXPECT_TRUE(eventually([&] { return server.stats().at("server").at("log_lines_lost") > 0; }));
  const Finished table = run_program({program::kGetstat, "--file", server.stats_file()});
  EXPECT_THAT(table.output, HasSubstr("log_lines_lost"));
  server.expect_clean_end();
}

TEST_F(UnreadLog, DoesNotHoldUpAStartThatFails) {
  for (const auto& [arguments, code] : std::map<std::string, int>{
           {"--bogus", 64}, {"--qslots 0", 78}, {"--numbers /nonexistent", 66}}) {
    Program program(with_errors_to(pipe_.path(), program::kServer, arguments));
    EXPECT_EQ(program.wait(kPatience), code) << arguments;
  }
}

}  // namespace
}  // namespace cpss
