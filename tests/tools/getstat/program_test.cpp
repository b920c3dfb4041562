// getstat as a program: its outputs and its exit codes.
#include "tests/support/program.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <optional>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/file_descriptor.h"
#include "stats/machine_clock.h"
#include "tests/stats/region_bytes.h"
#include "tests/stats/sample_server.h"
#include "tests/support/eventually.h"
#include "tests/support/forked_process.h"
#include "tests/support/stuck_output.h"
#include "tests/support/threads.h"

namespace cpss {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// It writes heartbeats, however long the test takes.
class LiveServer : public test::SampleServer {
 public:
  explicit LiveServer(const std::string& path) : SampleServer(path) { region.set_live(); }

 private:
  std::jthread heart_{[this](const std::stop_token& end) {
    while (!end.stop_requested()) {
      region.heartbeat();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }};
};

class ProgramTest : public testing::Test {
 protected:
  Finished getstat(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), CPSS_GETSTAT);
    arguments.push_back("--file=" + path_);
    return run_program(std::move(arguments));
  }
  // Runs getstat with its standard streams where the shell says, for instance ">/dev/full".
  static Finished redirected(const std::string& streams, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(),
                     {"/bin/sh", "-c", "exec \"$0\" \"$@\" " + streams, CPSS_GETSTAT});
    return run_program(std::move(arguments));
  }
  void make_live_server() {
    server_.emplace(path_);
    server_->answered(10);
  }
  void leave_a_killed_server() const {
    LastingChild child([&](const auto& stay) {
      test::SampleServer server(path_);
      server.region.set_live();
      server.answered(3);
      server.take_in(1);
      stay();
    });
    child.kill_and_reap();
  }
  // Waits, for at most 10 s, until a running program has printed `text`.
  static bool printed(const Program& program, const std::string& text) {
    for (int i = 0; i < 1000; ++i) {
      if (program.output().find(text) != std::string::npos) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  TemporaryFolder folder_;
  std::string path_ = folder_.file("stats");
  std::optional<LiveServer> server_;
};

TEST_F(ProgramTest, ALiveServerIsShown) {
  make_live_server();
  const Finished result = getstat({});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.output, HasSubstr("cpss live"));
  EXPECT_THAT(result.errors, IsEmpty());
}

TEST_F(ProgramTest, TheEnvironmentNamesTheFile) {
  make_live_server();
  const Finished result = run_program({CPSS_GETSTAT, "--json"}, {{"CPSS_STATS_FILE", path_}});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(nlohmann::json::parse(result.output)["pid"], ::getpid());
}

TEST_F(ProgramTest, JsonIsOneObjectAndNothingElse) {
  make_live_server();
  const Finished result = getstat({"--json"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(nlohmann::json::parse(result.output)["ledger"]["answered"], 10);
}

TEST_F(ProgramTest, VerifyOfALedgerThatBalances) {
  make_live_server();
  const Finished result = getstat({"--verify"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.output, HasSubstr("at rest"));
  EXPECT_THAT(result.output, HasSubstr("holds   filled = given_back: 10 and 10, residual 0"));
  EXPECT_THAT(result.output, HasSubstr("the ledger balances"));
  EXPECT_THAT(result.output, Not(HasSubstr("BROKEN")));
}

TEST_F(ProgramTest, VerifyOfALedgerThatDoesNot) {
  make_live_server();
  server_->receive.add(Counter::received, 2);
  const Finished result = getstat({"--verify"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.output, HasSubstr("BROKEN  received = "));
  EXPECT_THAT(result.output, HasSubstr("12 and 10, residual 2"));
  EXPECT_THAT(result.output, HasSubstr("THE LEDGER DOES NOT BALANCE"));
}

TEST_F(ProgramTest, VerifyWithJsonKeepsStandardOutputForTheObject) {
  make_live_server();
  server_->receive.add(Counter::received, 2);
  const Finished result = getstat({"--verify", "--json"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(nlohmann::json::parse(result.output)["ledger"]["residual"], 2);
  EXPECT_THAT(result.errors, HasSubstr("BROKEN"));
}

TEST_F(ProgramTest, VerifyUnderTrafficChecksTheBounds) {
  make_live_server();
  std::atomic<bool> stop = false;
  std::thread traffic([&] {
    while (!stop) {
      server_->answered(1);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  const Finished result = getstat({"--verify"});
  stop = true;
  traffic.join();
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.output, HasSubstr("under traffic"));
  EXPECT_THAT(result.output, HasSubstr("received before - outcomes <= most that fit inside"));
}

TEST_F(ProgramTest, VerifyOfAServerThatWorksOnAMessageForLong) {
  make_live_server();
  server_->take_in(2);
  const Finished result = getstat({"--verify"});
  EXPECT_EQ(result.code, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("nothing moved for 1 s with 2 inside"));
  EXPECT_THAT(result.output, HasSubstr("12 and 12, residual 0"));
}

// A signal, a debugger or a freezer stopped the server between two counters.
TEST_F(ProgramTest, VerifyOfAServerStoppedInTheMiddleOfItsWork) {
  using layout::Header;
  test::RegionBytes region;  // of this process
  const std::size_t received = region.get<std::uint64_t>(region.block(0)) +
                               static_cast<std::size_t>(Counter::received) * sizeof(Value);
  region.put(received, region.get<std::uint64_t>(received) + 5);
  region.put(offsetof(Header, heartbeat_ns), machine_ns() - 10'000'000'000);
  region.put(offsetof(Header, locked), std::uint32_t{0});
  write_file(path_, region.bytes);
  const Finished result = getstat({"--verify"});
  EXPECT_EQ(result.code, 3) << result.output;
  EXPECT_THAT(result.output, HasSubstr("cpss hung"));
  EXPECT_THAT(result.output, HasSubstr("no sign of life for 1"));
  EXPECT_THAT(result.output, HasSubstr("the bounds hold"));
  EXPECT_THAT(result.output, Not(HasSubstr("BROKEN")));
  const Finished shown = getstat({});
  EXPECT_EQ(shown.code, 3);
  EXPECT_THAT(shown.output, HasSubstr("HUNG"));
}

TEST_F(ProgramTest, AStoppedServersFinalValuesAreGood) {
  make_live_server();
  server_->region.mark_clean_end();
  server_.reset();
  EXPECT_EQ(getstat({}).code, 0);
  EXPECT_THAT(getstat({}).output, HasSubstr("cpss stopped"));
  EXPECT_EQ(getstat({"--verify"}).code, 0);
}

// H06.
TEST_F(ProgramTest, AKilledServersValuesAreMarkedStale) {
  leave_a_killed_server();
  const Finished shown = getstat({});
  EXPECT_EQ(shown.code, 3);
  EXPECT_THAT(shown.output, HasSubstr("STALE"));
  EXPECT_THAT(shown.output, HasSubstr("last values"));
  const Finished json = getstat({"--json"});
  EXPECT_EQ(json.code, 3);
  EXPECT_EQ(nlohmann::json::parse(json.output)["state"], "stale");
  EXPECT_EQ(nlohmann::json::parse(json.output)["ledger"]["in_flight"], 1);
  const Finished verified = getstat({"--verify"});
  EXPECT_EQ(verified.code, 3);
  EXPECT_THAT(verified.output, HasSubstr("no sign of life for "));
  EXPECT_THAT(verified.output, Not(HasSubstr("BROKEN")));
}

// H03: the words are tested in tests/stats/reader_test.cpp.
TEST_F(ProgramTest, NoRegionIsCodeTwoWhateverTheReason) {
  const auto expect_no_region = [&](const std::string& state) {
    for (const char* how : {"--json", "--verify"}) {
      const Finished result = getstat({how});
      EXPECT_EQ(result.code, 2) << result.output;
      EXPECT_THAT(result.errors, HasSubstr("getstat: stats region " + path_));
      if (how == std::string("--json"))
        EXPECT_EQ(nlohmann::json::parse(result.output)["state"], state);
      else
        EXPECT_THAT(result.output, IsEmpty());
    }
    EXPECT_EQ(getstat({}).code, 2);
    std::filesystem::remove(path_);
  };
  expect_no_region("missing");
  std::filesystem::create_directory(path_);
  expect_no_region("incompatible");
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  expect_no_region("incompatible");
  write_file(path_, "foreign");
  expect_no_region("incompatible");
  write_file(path_, test::RegionBytes().bytes.substr(0, 10000));
  expect_no_region("incompatible");
  write_file(path_, test::RegionBytes().put(8, std::uint32_t{9}).bytes);
  expect_no_region("incompatible");
}

TEST_F(ProgramTest, AWrongOptionIsCodeTwo) {
  const Finished result = getstat({"--verfy"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.errors, HasSubstr("--verfy"));
  EXPECT_THAT(result.output, IsEmpty());
}

TEST_F(ProgramTest, HelpAndVersionNeedNoRegion) {
  EXPECT_EQ(getstat({"--help"}).code, 0);
  EXPECT_THAT(getstat({"--help"}).output, HasSubstr("Usage: getstat"));
  EXPECT_EQ(getstat({"--version"}).code, 0);
  EXPECT_THAT(getstat({"--version"}).output, testing::ContainsRegex("^getstat [0-9.]+\n$"));
}

TEST_F(ProgramTest, OutputThatCannotBeWrittenIsNoSuccess) {
  make_live_server();
  for (const char* how : {"--json", "--verify", "--watch"}) {
    const Finished result = redirected(">/dev/full", {how, "--file=" + path_});
    EXPECT_EQ(result.code, 2) << how;
    EXPECT_EQ(result.errors, "getstat: cannot write to standard output\n") << how;
  }
}

TEST_F(ProgramTest, WhatCannotBeToldChangesNoExitCode) {
  make_live_server();
  for (const char* errors : {"2>/dev/full", "2>&-"}) {
    EXPECT_EQ(redirected(errors, {"--file=/nonexist"}).code, 2) << errors;
    EXPECT_EQ(redirected(errors, {"--verfy"}).code, 2) << errors;
    for (const char* how : {"--json", "--verify", "--watch"})
      EXPECT_EQ(redirected(std::string(">/dev/full ") + errors, {how, "--file=" + path_}).code, 2)
          << how << errors;
  }
}

// The cursor takes the row below the frame, so that nothing scrolls.
TEST_F(ProgramTest, WatchShowsWhatFitsOnTheTerminal) {
  make_live_server();
  const FileDescriptor terminal(::posix_openpt(O_RDWR | O_NOCTTY));
  ASSERT_EQ(::grantpt(terminal.get()) + ::unlockpt(terminal.get()), 0);
  const winsize size{10, 40, 0, 0};
  ASSERT_EQ(::ioctl(terminal.get(), TIOCSWINSZ, &size), 0);
  Program program({"/bin/sh", "-c", "exec \"$0\" \"$@\" >" + std::string(::ptsname(terminal.get())),
                   CPSS_GETSTAT, "--watch", "--file=" + path_});
  std::string frame;
  std::array<char, 4096> part{};
  const std::string end = "\x1b[J";
  while (frame.find(end) == std::string::npos) {
    const ssize_t bytes = ::read(terminal.get(), part.data(), part.size());
    if (bytes <= 0) break;
    frame.append(part.data(), static_cast<std::size_t>(bytes));
  }
  program.signal(SIGTERM);
  EXPECT_EQ(program.finish().code, 0);
  frame.resize(std::min(frame.size(), frame.find(end)));
  EXPECT_EQ(std::count(frame.begin(), frame.end(), '\n'), 9);
  EXPECT_THAT(frame, HasSubstr("cpss live"));
  EXPECT_THAT(frame, HasSubstr("more lines: enlarge the"));
}

TEST_F(ProgramTest, WatchEndsWithASignalAlsoWhereNobodyReadsIt) {
  make_live_server();
  FullPipe pipe;
  StoppedTerminal terminal;
  for (const std::string& place : {pipe.path(), terminal.path()})
    for (const int signal : {SIGINT, SIGTERM}) {
      Program program({"/bin/sh", "-c", "exec \"$0\" \"$@\" >" + place, CPSS_GETSTAT, "--watch=0.1",
                       "--file=" + path_});
      // getstat takes the signals before it starts that thread.
      ASSERT_TRUE(eventually([&] { return test::threads_of(program.pid()).contains("output"); }));
      // By then it mostly has something to show.
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      program.signal(signal);
      EXPECT_EQ(program.wait(std::chrono::seconds(20)), 0) << place << ' ' << signal;
    }
}

// As head(1) does.
TEST_F(ProgramTest, WatchEndsWithItsReader) {
  make_live_server();
  FullPipe pipe;
  Program program({"/bin/sh", "-c", "exec \"$0\" \"$@\" >" + pipe.path(), CPSS_GETSTAT,
                   "--watch=0.1", "--file=" + path_});
  std::string text;
  EXPECT_TRUE(
      eventually([&] { return (text += pipe.read()).find("cpss live") != std::string::npos; }));
  pipe.close_the_reading_end();
  EXPECT_EQ(program.wait(std::chrono::seconds(20)), 128 + SIGPIPE);
}

TEST_F(ProgramTest, WatchFollowsTheServerAndEndsWithASignal) {
  for (const int signal : {SIGINT, SIGTERM}) {
    Program program({CPSS_GETSTAT, "--watch=0.1", "--file=" + path_});
    EXPECT_TRUE(printed(program, "cpss missing"));
    make_live_server();
    EXPECT_TRUE(printed(program, "entered/s"));
    server_->region.mark_clean_end();
    EXPECT_TRUE(printed(program, "cpss stopped"));
    server_.reset();
    std::filesystem::remove(path_);
    program.signal(signal);
    const Finished result = program.finish();
    EXPECT_EQ(result.code, 0);
    EXPECT_THAT(result.output, Not(HasSubstr("\x1b"))) << "no cursor control: not a terminal";
    EXPECT_THAT(result.errors, IsEmpty());
  }
}

}  // namespace
}  // namespace cpss
