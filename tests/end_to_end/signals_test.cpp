// What signals do to the server and its tools (docs/signals.md), from their first moment on.
#include <chrono>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/end_to_end/child_processes.h"
#include "tests/end_to_end/every_model.h"
#include "tests/end_to_end/gate_file.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/support/eventually.h"

namespace cpss {
namespace {

using testing::HasSubstr;

constexpr std::chrono::seconds kPatience{20};

const std::vector<int> kDraining = {SIGTERM, SIGINT, SIGHUP, SIGALRM, SIGVTALRM, SIGPROF, SIGXCPU};

std::vector<int> meaningless() {
  return {SIGUSR1, SIGUSR2, SIGIO, SIGPWR, SIGSTKFLT, SIGRTMIN, SIGRTMIN + 7, SIGRTMAX};
}

// The end of a process by a signal as the shell says it.
constexpr int ended_by(int signal) {
  return 128 + signal;
}

std::vector<std::string> by_shell(const std::string& line, const std::string& program) {
  return {"/bin/sh", "-c", line, program};
}

// Of the process as a whole (proc_pid_status(5)); none, too, once it has gone.
bool has_pending_signals(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("ShdPnd:")) return line.find_first_of("123456789abcdef", 7) != line.npos;
  return false;
}

class SignalsOfModels : public testing::TestWithParam<ModelUnderTest> {};
INSTANTIATE_TEST_SUITE_P(All, SignalsOfModels, testing::ValuesIn(every_model()), model_name);

TEST_P(SignalsOfModels, ThatMeanNothingDoNothing) {
  ServerProcess server(program::kServer, under(GetParam(), {{"CPSS_SERVICE", "echo"}}));
  UdpClient client(server.address());
  ASSERT_EQ(client.ask("before"), "before");
  for (const int signal : meaningless()) {
    // As to a whole process group.
    for (const auto& [process, name] : children_of(server.pid())) kill(process, signal);
    server.process().signal(signal);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  ASSERT_TRUE(server.process().running());
  ASSERT_EQ(client.ask("after"), "after");
  EXPECT_TRUE(eventually([&] {
    return server.process().errors().find("does nothing here") != std::string::npos;
  })) << server.process().errors();
  EXPECT_EQ(server.stats().at("processes").at("lost"), 0);
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), 2u);
}

TEST_P(SignalsOfModels, QuitBooksBeforeItDumpsCore) {
  const GateFile gate;
  ServerProcess server({"/bin/sh", "-c", "ulimit -c 0; exec \"$0\"", program::kTestServer},
                       under(GetParam(), {{"CPSS_SERVICE", "gated"},
                                          {"TEST_GATE", gate.path()},
                                          {"CPSS_DRAIN_TIMEOUT", "600"}}));
  UdpClient client(server.address());
  ASSERT_EQ(client.send("stays inside"), 0);
  ASSERT_TRUE(eventually([&] { return server.ledger("in_flight") == 1; }));
  server.process().signal(SIGQUIT);
  EXPECT_EQ(server.process().wait(kPatience), ended_by(SIGQUIT)) << server.process().errors();
  server.expect_books_balance();
  EXPECT_EQ(server.reason("failed.forced_end"), 1u);
  EXPECT_EQ(server.stats().at("state"), "stopped");
}

TEST(Signals, ThatEndItDrain) {
  for (const int signal : kDraining) {
    SCOPED_TRACE(strsignal(signal));
    ServerProcess server(program::kServer, {{"CPSS_SERVICE", "echo"}});
    UdpClient client(server.address());
    ASSERT_EQ(client.ask("hello"), "hello");
    server.process().signal(signal);
    server.expect_to_end_well();
  }
}

// A soft limit of CPU time is over again each second, a timer with an interval at each of these.
TEST(Signals, ATimeLimitThatIsOverAgainDoesNotForceTheEnd) {
  const GateFile gate;
  ServerProcess server(program::kTestServer, {{"CPSS_SERVICE", "gated"},
                                              {"TEST_GATE", gate.path()},
                                              {"CPSS_HANDOVER", "strict"},
                                              {"CPSS_DRAIN_TIMEOUT", "600"}});
  UdpClient client(server.address());
  ASSERT_EQ(client.send("is answered"), 0);
  ASSERT_TRUE(eventually([&] { return server.ledger("in_flight") == 1; }));
  server.process().signal(SIGXCPU);
  ASSERT_TRUE(
      eventually([&] { return server.process().errors().find("draining") != std::string::npos; }));
  for (const int signal : {SIGXCPU, SIGALRM, SIGVTALRM, SIGPROF}) {
    server.process().signal(signal);
    ASSERT_TRUE(eventually([&] { return !has_pending_signals(server.pid()); }));
  }
  gate.open();
  server.expect_to_end_well();
  EXPECT_EQ(server.ledger("answered"), 1u);
}

TEST(Signals, QuitInTheDrainForcesTheEnd) {
  const GateFile gate;
  ServerProcess server({"/bin/sh", "-c", "ulimit -c 0; exec \"$0\"", program::kTestServer},
                       {{"CPSS_SERVICE", "gated"},
                        {"TEST_GATE", gate.path()},
                        {"CPSS_HANDOVER", "strict"},
                        {"CPSS_DRAIN_TIMEOUT", "600"}});
  UdpClient client(server.address());
  ASSERT_EQ(client.send("stays inside"), 0);
  ASSERT_TRUE(eventually([&] { return server.ledger("in_flight") == 1; }));
  server.process().signal(SIGTERM);
  ASSERT_TRUE(
      eventually([&] { return server.process().errors().find("draining") != std::string::npos; }));
  server.process().signal(SIGQUIT);
  EXPECT_EQ(server.process().wait(kPatience), ended_by(SIGQUIT)) << server.process().errors();
  server.expect_books_balance();
  EXPECT_EQ(server.reason("failed.forced_end"), 1u);
}

TEST(Signals, ThatAreIgnoredStayIgnored) {
  for (const auto& [name, number] : std::map<std::string, int>{{"INT", SIGINT},
                                                               {"QUIT", SIGQUIT},
                                                               {"HUP", SIGHUP},
                                                               {"ALRM", SIGALRM},
                                                               {"USR1", SIGUSR1}}) {
    SCOPED_TRACE(name);
    ServerProcess server(by_shell("trap '' " + name + "; exec \"$0\"", program::kServer), {});
    server.process().signal(number);
    EXPECT_FALSE(server.process().wait(std::chrono::milliseconds(300)));
    EXPECT_THAT(server.process().errors(), testing::Not(HasSubstr("does nothing here")));
    server.expect_clean_end();
  }
}

// As a script's shell does it, without job control.
TEST(Signals, AServerInAScriptsBackgroundOutlivesCtrlC) {
  const TemporaryFolder folder;
  ServerProcess server(
      {"/usr/bin/env", "--ignore-signal=INT", "--ignore-signal=QUIT", program::kServer}, {});
  server.process().signal(SIGINT);
  server.process().signal(SIGQUIT);
  EXPECT_FALSE(server.process().wait(std::chrono::milliseconds(300)));
  server.expect_clean_end();
}

TEST(Signals, ThatWereBlockedAtTheStartAreTaken) {
  ServerProcess server({"/usr/bin/env", "--block-signal=TERM", program::kServer}, {});
  server.expect_clean_end();
}

TEST(Signals, AnAlarmThatWasSetBeforeTheStartDrains) {
  ServerProcess server({"/usr/bin/perl", "-e", "alarm 2; exec @ARGV", program::kServer}, {});
  server.expect_to_end_well();
}

// --- while it starts ---

class SignalsInAStart : public testing::Test {
 protected:
  // Numbers that come through a pipe which nobody writes: the load of the data, for as long as
  // one likes.
  Environment loading() {
    EXPECT_EQ(mkfifo(folder_.file("numbers").c_str(), 0600), 0);
    return {{"CPSS_LISTEN", "127.0.0.1:0"},
            {"CPSS_STATS_FILE", folder_.file("stats")},
            {"CPSS_NUMBERS", folder_.file("numbers")}};
  }
  // The process has `name`, so it is past the shell and the like.
  static pid_t wait_for_child(pid_t parent, const std::string& name) {
    pid_t found = -1;
    EXPECT_TRUE(eventually([&] {
      for (const auto& [process, its_name] : children_of(parent))
        if (its_name == name) found = process;
      return found > 0;
    })) << name;
    return found;
  }
  static void expect_within_a_second(Program& program, int code) {
    // A second, and what a busy machine adds.
    EXPECT_EQ(program.wait(std::chrono::seconds(10)), code) << program.errors();
  }

  TemporaryFolder folder_;
};

TEST_F(SignalsInAStart, EndTheLoadOfData) {
  const Environment environment = loading();
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    Program server({program::kServer}, environment);
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    ASSERT_TRUE(server.running());
    server.signal(signal);
    expect_within_a_second(server, ended_by(signal));
  }
}

TEST_F(SignalsInAStart, ThatMeanNothingDoNothing) {
  Program server({program::kServer}, loading());
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  for (const int signal : meaningless()) server.signal(signal);
  EXPECT_FALSE(server.wait(std::chrono::milliseconds(500)));
}

TEST_F(SignalsInAStart, EndTheLoadOfDataOfAProcess1) {
  const Environment environment = loading();
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    Program server({"/usr/bin/unshare", "--pid", "--fork", "--kill-child", program::kServer},
                   environment);
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    if (!server.running()) GTEST_SKIP() << "no PID namespace: " << server.errors();
    const pid_t process_1 = wait_for_child(server.pid(), "cpssd");
    // Exactly: is it past its first instructions?
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    kill(process_1, signal);
    expect_within_a_second(server, ended_by(signal));
  }
}

TEST_F(SignalsInAStart, OfUdpblastAsProcess1) {
  Program blast({"/usr/bin/unshare", "--pid", "--fork", "--kill-child", program::kBlast, "-p", "9",
                 "-l", "100", "-q", "1", "-t", "1000"});
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  if (!blast.running()) GTEST_SKIP() << "no PID namespace: " << blast.errors();
  const pid_t process_1 = wait_for_child(blast.pid(), "udpblast");
  kill(process_1, SIGHUP);
  expect_within_a_second(blast, ended_by(SIGHUP));
}

TEST(SignalsOfTools, ThatAreIgnoredStayIgnored) {
  ServerProcess server(program::kServer, {});
  for (const auto& [name, number] : std::map<std::string, int>{{"INT", SIGINT}, {"HUP", SIGHUP}}) {
    SCOPED_TRACE(name);
    Program blast({"/usr/bin/env", "--ignore-signal=" + name, program::kBlast, "-p",
                   std::to_string(server.port()), "-l", "100", "--json"});
    Program watch({"/usr/bin/env", "--ignore-signal=" + name, program::kGetstat, "--watch=0.1",
                   "--file", server.stats_file()});
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    blast.signal(number);
    watch.signal(number);
    EXPECT_FALSE(blast.wait(std::chrono::milliseconds(300)));
    EXPECT_FALSE(watch.wait(std::chrono::milliseconds(300)));
    blast.signal(SIGTERM);
    watch.signal(SIGTERM);
    EXPECT_EQ(blast.wait(kPatience), 0) << blast.errors();
    EXPECT_EQ(watch.wait(kPatience), 0) << watch.errors();
  }
}

}  // namespace
}  // namespace cpss
