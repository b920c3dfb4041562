// What signals do to the server and its tools (docs/signals.md), from their first moment on.
#include <array>
#include <chrono>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_descriptor.h"
#include "net/udp_socket.h"
#include "tests/end_to_end/child_processes.h"
#include "tests/end_to_end/every_model.h"
#include "tests/end_to_end/gate_file.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/support/eventually.h"
#include "tests/support/sanitizers.h"
#include "tests/support/threads.h"

namespace cpss {
namespace {

using testing::HasSubstr;

const std::vector<int> kDraining = {SIGTERM, SIGINT, SIGALRM, SIGVTALRM, SIGPROF, SIGXCPU};

std::vector<int> meaningless() {
  return {SIGUSR1, SIGUSR2, SIGIO, SIGPWR, SIGSTKFLT, SIGRTMIN, SIGRTMIN + 7, SIGRTMAX};
}

// The exit status of a process that a signal ended, as the shell shows it.
constexpr int ended_by(int signal) {
  return 128 + signal;
}

// Signals pending for the process as a whole (proc_pid_status(5)); false, too, once it has gone.
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
    // As if sent to a whole process group.
    for (const auto& [process, name] : children_of(server.pid())) kill(process, signal);
    server.process().signal(signal);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  ASSERT_TRUE(server.process().running());
  ASSERT_EQ(client.ask("after"), "after");
  server.wait_until_logged("does nothing here");
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
  server.expect_ledger_balances();
  EXPECT_EQ(server.reason("failed.forced_end"), 1u);
  EXPECT_EQ(server.stats().at("state"), "stopped");
}

TEST_P(SignalsOfModels, OfADefectLeaveTheLedgerAsTheyAre) {
  ServerProcess server({"/bin/sh", "-c", "ulimit -c 0; exec \"$0\"", program::kServer},
                       under(GetParam(), {{"CPSS_SERVICE", "echo"}}));
  UdpClient client(server.address());
  ASSERT_EQ(client.ask("before"), "before");
  server.wait_until_idle(1);
  server.process().signal(SIGABRT);
  EXPECT_EQ(server.process().wait(kPatience), ended_by(SIGABRT)) << server.process().errors();
  // Stale as soon as its processes have ended, too.
  EXPECT_TRUE(eventually([&] { return server.stats().at("state") == "stale"; }));
  EXPECT_EQ(run_program({program::kGetstat, "--file", server.stats_file()}).code, 3);
  EXPECT_EQ(server.ledger("answered"), 1u);
}

// These signals do nothing, and the log has no line of them.
TEST_P(SignalsOfModels, OfTerminalsAndPipesPassUnseen) {
  ServerProcess server(program::kServer, under(GetParam(), {{"CPSS_SERVICE", "echo"}}));
  UdpClient client(server.address());
  for (const int signal : {SIGPIPE, SIGXFSZ, SIGURG, SIGWINCH, SIGCHLD, SIGCONT})
    server.process().signal(signal);
  for (int i = 0; i < 20; ++i) ASSERT_EQ(client.ask("after"), "after");
  server.expect_clean_end();
  EXPECT_THAT(server.process().errors(), testing::Not(HasSubstr("does nothing here")));
}

// In a folder of its own, where a core file does no harm; the limit cuts the file.
TEST(Signals, QuitLeavesACore) {
  if (kSanitized) GTEST_SKIP() << "sanitizers switch core files off";
  std::string place;
  std::getline(std::ifstream("/proc/sys/kernel/core_pattern"), place);
  if (place.empty() || place.find_first_of("|/") != std::string::npos)
    GTEST_SKIP() << "core files go elsewhere: " << place;
  const TemporaryFolder folder;
  ServerProcess server({"/bin/sh", "-c", "cd \"$1\" && ulimit -c 2048 && exec \"$0\"",
                        program::kServer, folder.path()},
                       {});
  server.process().signal(SIGQUIT);
  EXPECT_EQ(server.process().wait(kPatience), ended_by(SIGQUIT)) << server.process().errors();
  EXPECT_TRUE(server.process().left_core()) << server.process().errors();
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

// A soft limit of CPU time sends its signal each second, a timer with an interval at each interval.
TEST(Signals, ATimeLimitThatIsOverAgainDoesNotForceTheEnd) {
  const GateFile gate;
  ServerProcess server(program::kTestServer, {{"CPSS_SERVICE", "gated"},
                                              {"TEST_GATE", gate.path()},
                                              {"CPSS_DISPATCH", "queued"},
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
                        {"CPSS_DISPATCH", "queued"},
                        {"CPSS_DRAIN_TIMEOUT", "600"}});
  UdpClient client(server.address());
  ASSERT_EQ(client.send("stays inside"), 0);
  ASSERT_TRUE(eventually([&] { return server.ledger("in_flight") == 1; }));
  server.process().signal(SIGTERM);
  server.wait_until_draining();
  server.process().signal(SIGQUIT);
  EXPECT_EQ(server.process().wait(kPatience), ended_by(SIGQUIT)) << server.process().errors();
  server.expect_ledger_balances();
  EXPECT_EQ(server.reason("failed.forced_end"), 1u);
}

TEST(Signals, ThatAreIgnoredStayIgnored) {
  for (const auto& [name, number] : std::map<std::string, int>{
           {"INT", SIGINT}, {"QUIT", SIGQUIT}, {"ALRM", SIGALRM}, {"USR1", SIGUSR1}}) {
    SCOPED_TRACE(name);
    ServerProcess server(by_shell("trap '' " + name + "; exec \"$0\"", program::kServer), {});
    server.process().signal(number);
    EXPECT_FALSE(server.process().wait(std::chrono::milliseconds(300)));
    server.expect_clean_end();
    EXPECT_THAT(server.process().errors(), testing::Not(HasSubstr("does nothing here")));
  }
}

// As a shell without job control starts it.
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
  ServerProcess server({"/usr/bin/perl", "-e", "alarm 10; exec @ARGV", program::kServer}, {});
  server.expect_to_end_well();
}

// --- during a start ---

class SignalsInAStart : public testing::Test {
 protected:
  // Numbers from a pipe that no process writes to: the server loads its data for as long as the
  // test wants.
  Environment loading() {
    EXPECT_EQ(mkfifo(numbers_.c_str(), 0600), 0);
    return {{"CPSS_LISTEN", "127.0.0.1:0"},
            {"CPSS_STATS_FILE", folder_.file("stats")},
            {"CPSS_NUMBERS", numbers_}};
  }
  // Waits until the server has opened its numbers, and so is far beyond its first instructions;
  // returns the writing end. Throws if that does not come.
  FileDescriptor wait_until_it_loads(const Program& server) const {
    FileDescriptor writer;
    const bool loads = eventually([&] {
      writer = FileDescriptor(open(numbers_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
      return writer.valid();
    });
    if (!loads) throw std::runtime_error("it does not read its numbers: " + server.errors());
    return writer;
  }
  // The child of that name, so that the shell and the like are done; throws if there is none.
  static pid_t wait_for_child(pid_t parent, const std::string& name) {
    pid_t found = 0;
    eventually([&] {
      for (const auto& [process, its_name] : children_of(parent))
        if (its_name == name) found = process;
      return found > 0;
    });
    if (found == 0) throw std::runtime_error("no child " + name);
    return found;
  }
  static void expect_within_a_second(Program& program, int code) {
    // A second, and the delay of a busy machine.
    EXPECT_EQ(program.wait(std::chrono::seconds(10)), code) << program.errors();
  }

  static constexpr std::array kEnds = {SIGTERM,   SIGINT,  SIGQUIT, SIGALRM,
                                       SIGVTALRM, SIGPROF, SIGXCPU};

  TemporaryFolder folder_;
  const std::string numbers_ = folder_.file("numbers");
};

TEST_F(SignalsInAStart, EndTheLoadOfData) {
  const Environment environment = loading();
  for (const int signal : kEnds) {
    SCOPED_TRACE(strsignal(signal));
    Program server(by_shell("ulimit -c 0; exec \"$0\"", program::kServer), environment);
    const FileDescriptor writer = wait_until_it_loads(server);
    server.signal(signal);
    expect_within_a_second(server, ended_by(signal));
  }
}

TEST_F(SignalsInAStart, ThatMeanNothingDoNothing) {
  Program server({program::kServer}, loading());
  const FileDescriptor writer = wait_until_it_loads(server);
  for (const int signal : meaningless()) server.signal(signal);
  EXPECT_FALSE(server.wait(std::chrono::milliseconds(500)));
}

class SignalsInAStartOfProcess1 : public SignalsInAStart {
 protected:
  void SetUp() override {
    const Finished tried = run_program(as_process_1({"/bin/true"}));
    if (tried.code != 0) GTEST_SKIP() << "no PID namespace: " << tried.errors;
  }
  static std::vector<std::string> as_process_1(const std::vector<std::string>& command) {
    std::vector<std::string> all = {"/usr/bin/unshare", "--pid", "--fork", "--kill-child"};
    all.insert(all.end(), command.begin(), command.end());
    return all;
  }
};

TEST_F(SignalsInAStartOfProcess1, EndTheLoadOfData) {
  const Environment environment = loading();
  for (const int signal : kEnds) {
    SCOPED_TRACE(strsignal(signal));
    Program server(as_process_1({program::kServer}), environment);
    const FileDescriptor writer = wait_until_it_loads(server);
    kill(wait_for_child(server.pid(), "cpssd"), signal);
    expect_within_a_second(server, ended_by(signal));
  }
}

TEST_F(SignalsInAStartOfProcess1, ThatMeanNothingDoNothing) {
  Program server(as_process_1({program::kServer}), loading());
  const FileDescriptor writer = wait_until_it_loads(server);
  const pid_t process_1 = wait_for_child(server.pid(), "cpssd");
  for (const int signal : meaningless()) kill(process_1, signal);
  EXPECT_FALSE(server.wait(std::chrono::milliseconds(500)));
}

TEST_F(SignalsInAStartOfProcess1, EndUdpblast) {
  const UdpSocket silent(SocketAddress(*IpAddress::parse("127.0.0.1"), 0), {});
  Program blast(as_process_1({program::kBlast, "-p", std::to_string(silent.local_address().port()),
                              "-l", "100", "-q", "1", "-t", "1000"}));
  const pid_t process_1 = wait_for_child(blast.pid(), "udpblast");
  ASSERT_TRUE(eventually([&] { return test::handles(process_1, SIGHUP); }));
  kill(process_1, SIGHUP);
  expect_within_a_second(blast, ended_by(SIGHUP));
}

TEST(SignalsOfTools, ThatAreIgnoredStayIgnored) {
  ServerProcess server(program::kServer, {});
  for (const auto& [name, number] : std::map<std::string, int>{{"INT", SIGINT}, {"HUP", SIGHUP}}) {
    SCOPED_TRACE(name);
    const std::uint64_t received = server.ledger("received");
    Program blast({"/usr/bin/env", "--ignore-signal=" + name, program::kBlast, "-p",
                   std::to_string(server.port()), "-l", "100", "--json"});
    Program watch({"/usr/bin/env", "--ignore-signal=" + name, program::kGetstat, "--watch=0.1",
                   "--file", server.stats_file()});
    // Both programs are past their first instructions.
    ASSERT_TRUE(eventually([&] {
      return server.ledger("received") > received &&
             watch.output().find("cpss live") != std::string::npos;
    })) << blast.errors()
        << watch.errors();
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
