// Features of single server models: lanes of which one at a time is the leader, herds and races for
// a socket, sockets of their own, workers for messages that block.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/end_to_end/gate_file.h"
#include "tests/end_to_end/peers.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/end_to_end/variable_test.h"
#include "tests/support/eventually.h"
#include "tests/support/threads.h"

namespace cpss {
namespace {

using testing::AllOf;
using testing::Each;
using testing::Gt;
using testing::HasSubstr;

// The messages received by each lane.
std::vector<std::uint64_t> received_by_lane(const nlohmann::json& stats) {
  std::vector<std::uint64_t> received;
  for (const auto& lane : stats.at("receivers"))
    received.push_back(lane.at("received").get<std::uint64_t>());
  return received;
}

std::size_t threads_called(const std::string& kind, pid_t process) {
  const auto threads = test::threads_of(process);
  return static_cast<std::size_t>(std::ranges::count_if(
      threads, [&kind](const auto& thread) { return thread.first.starts_with(kind); }));
}

void ask_one_by_one(UdpClient& client, int count) {
  for (int i = 0; i < count; ++i) {
    const std::string request = "request " + std::to_string(i);
    ASSERT_EQ(client.ask(request), request);
  }
}

// --- lanes of which one at a time is the leader ---

class Handoff : public testing::Test {
 protected:
  static Environment one_lane(const char* limit, Environment more) {
    more.insert({{"CPSS_MODEL", "symped"},
                 {"CPSS_SOCKETS", "handoff"},
                 {"CPSS_LANES", "1"},
                 {"CPSS_HANDOFF_LIMIT", limit}});
    return more;
  }

  const std::size_t max_lanes_ = 2 * test::allowed_cpus().size();
};

// With a limit of 1 every message fills a lane.
TEST_F(Handoff, FurtherLanesStartUpToTwiceTheCpusWhenAllAreFull) {
  const GateFile gate;
  ServerProcess server(program::kTestServer,
                       one_lane("1", {{"CPSS_SERVICE", "gated"}, {"TEST_GATE", gate.path()}}));
  EXPECT_EQ(threads_called("lane-", server.pid()), 1u);
  Peers peers(server.address(), 4);
  peers.send(max_lanes_);
  server.wait_until_inside(max_lanes_);
  EXPECT_EQ(threads_called("lane-", server.pid()), max_lanes_);
  const nlohmann::json now = server.stats();
  EXPECT_THAT(received_by_lane(now), Each(1u));
  gate.open();
  EXPECT_EQ(peers.receive().echoes, 4 * max_lanes_);
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), 4 * max_lanes_);
  EXPECT_EQ(server.stage("receive").at("threads_started"), max_lanes_ - 1);
  EXPECT_GE(server.stage("receive").at("handoffs"), max_lanes_ - 1);
  EXPECT_EQ(server.stage("receive").at("lost_races"), 0) << "one listens at a time";
}

// As above, with messages that take some time instead of for ever. The number of lanes depends on
// the timing, so at least two have to receive.
TEST_F(Handoff, ABurstOfSlowMessagesIsSpread) {
  ServerProcess server(program::kServer, one_lane("2", {{"CPSS_SERVICE", "work"},
                                                        {"CPSS_WORK", "fixed:2000;sleep"}}));
  const Finished blast =
      run_program({program::kBlast, "-p", std::to_string(server.port()), "--service", "work",
                   "--stats-file", server.stats_file(), "--count", "60", "-c", "4", "-q", "60"});
  EXPECT_EQ(blast.code, 0) << blast.output << blast.errors;
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), 60u);
  const std::vector<std::uint64_t> received = received_by_lane(server.stats());
  EXPECT_GE(std::ranges::count_if(received, [](std::uint64_t lane) { return lane > 0; }), 2);
  EXPECT_GE(server.stage("receive").at("threads_started"), 1);
  EXPECT_GE(server.stage("receive").at("handoffs"), 1);
}

TEST_F(Handoff, OneMessageAtATimeNeedsOneLane) {
  ServerProcess server(program::kServer, one_lane("2", {{"CPSS_SERVICE", "echo"}}));
  UdpClient client(server.address());
  ask_one_by_one(client, 100);
  EXPECT_EQ(threads_called("lane-", server.pid()), 1u);
  server.expect_clean_end();
  EXPECT_EQ(server.stage("receive").at("threads_started"), 0);
  EXPECT_EQ(server.stage("receive").at("handoffs"), 0);
}

// --- lanes that wait for one socket ---

// The races that lanes have lost over 300 messages, one at a time.
std::uint64_t lost_races(const char* exclusive) {
  ServerProcess server(program::kServer, echo_with({{"CPSS_MODEL", "symped"},
                                                    {"CPSS_LANES", "4"},
                                                    {"CPSS_EPOLLEXCLUSIVE", exclusive},
                                                    {"CPSS_SPIN_US", "0"}}));
  UdpClient client(server.address());
  ask_one_by_one(client, 300);
  server.expect_clean_end();
  std::uint64_t lost = 0;
  double shares = 0;
  const nlohmann::json end = server.stats();
  for (const auto& lane : end.at("receivers")) {
    lost += lane.at("lost_races").get<std::uint64_t>();
    shares += lane.at("share").get<double>();
  }
  EXPECT_EQ(server.stage("receive").at("lost_races"), lost);
  EXPECT_NEAR(shares, 1, 1e-5);
  return lost;
}

TEST(Herd, AMessageWakesAllAndIsForOneUnlessTheyWaitExclusively) {
  // Where others keep the CPUs busy lanes seldom sleep, and nobody is woken in vain.
  EXPECT_TRUE(eventually([] { return lost_races("false") > 2 * lost_races("true"); }));
}

// --- a socket for each lane ---

class Reuseport : public VariableTest {
 protected:
  static constexpr std::size_t kLanes = 3;
  static Environment steered(const std::string& how) {
    return echo_with({{"CPSS_MODEL", "symped"},
                      {"CPSS_LANES", std::to_string(kLanes)},
                      {"CPSS_SOCKETS", "reuseport"},
                      {"CPSS_STEERING", how}});
  }
};

TEST_F(Reuseport, ByHashAPeerMeetsOneLane) {
  ServerProcess server(program::kServer, steered("hash"));
  UdpClient client(server.address());
  ask_one_by_one(client, 60);
  server.wait_until_idle(60);
  std::vector<std::uint64_t> received = received_by_lane(server.stats());
  std::ranges::sort(received);
  EXPECT_EQ(received, (std::vector<std::uint64_t>{0, 0, 60}));
  EXPECT_NEAR(server.stats().at("imbalance").get<double>(), kLanes, 1e-6);
  const Finished table = run_program({program::kGetstat, "--file", server.stats_file()});
  EXPECT_THAT(table.output, HasSubstr("imbalance 3.00"));
  server.expect_clean_end();
}

// With 64 peers the chance that a lane gets none is less than one in a billion.
TEST_F(Reuseport, ByHashManyPeersMeetAllLanes) {
  ServerProcess server(program::kServer, steered("hash"));
  Peers peers(server.address(), 64);
  peers.send(1);
  EXPECT_EQ(peers.receive().echoes, 64u);
  server.expect_clean_end();
  EXPECT_THAT(received_by_lane(server.stats()), Each(Gt(0u)));
}

TEST_F(Reuseport, AtRandomAPeerMeetsAllLanes) {
  ServerProcess server(program::kServer, steered("random"));
  UdpClient client(server.address());
  ask_one_by_one(client, 100);
  server.expect_clean_end();
  EXPECT_THAT(received_by_lane(server.stats()), Each(Gt(0u)));
}

TEST_F(Reuseport, ByCpuEveryMessageIsAnswered) {
  ServerProcess server(program::kServer, steered("cpu"));
  Peers peers(server.address(), 8);
  peers.send(5);
  EXPECT_EQ(peers.receive().echoes, 40u);
  server.expect_clean_end();
}

TEST_F(Reuseport, InTurnOrNotAtAll) {
  const Finished check = run_program({program::kServer, "--check-config"}, steered("round_robin"));
  if (check.code == 77) {
    EXPECT_THAT(refused(steered("round_robin")).errors,
                AllOf(HasSubstr("extended BPF"), HasSubstr("choose 'random'")));
    return;
  }
  ServerProcess server(program::kServer, steered("round_robin"));
  UdpClient client(server.address());
  ask_one_by_one(client, 60);
  server.expect_clean_end();
  EXPECT_EQ(received_by_lane(server.stats()), (std::vector<std::uint64_t>{20, 20, 20}));
}

// --- workers for messages that block ---

// While the gate is closed, messages that begin with '!' stay with the workers.
TEST(AmpedWorkers, AMessageThatBlocksDoesNotHoldUpOthers) {
  const GateFile gate;
  ServerProcess server(
      program::kTestServer,
      {{"CPSS_MODEL", "amped"}, {"CPSS_SERVICE", "gated-deferral"}, {"TEST_GATE", gate.path()}});
  UdpClient slow(server.address());
  for (int i = 0; i < 3; ++i) ASSERT_EQ(slow.send("!slow " + std::to_string(i)), 0);
  ASSERT_TRUE(eventually([&] { return server.stage("service").at("deferred") == 3; }));
  UdpClient client(server.address());
  ask_one_by_one(client, 50);
  server.wait_until_inside(3);
  server.expect_ledger_balances();
  gate.open();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(slow.receive(), "!slow " + std::to_string(i));
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), 53u);
  EXPECT_EQ(server.stage("worker").at("entered"), 3);
}

TEST(AmpedWorkers, AForcedEndTakesWhatBlocksAndWhatWaitsBehindIt) {
  const GateFile gate;
  ServerProcess server(program::kTestServer, {{"CPSS_MODEL", "amped"},
                                              {"CPSS_SERVICE", "gated-deferral"},
                                              {"CPSS_DRAIN_TIMEOUT", "0.1"},
                                              {"TEST_GATE", gate.path()}});
  UdpClient client(server.address());
  for (int i = 0; i < 3; ++i) ASSERT_EQ(client.send("!slow"), 0);
  ask_one_by_one(client, 5);
  server.process().signal(SIGTERM);
  EXPECT_EQ(server.process().wait(std::chrono::seconds(20)), 1) << server.process().errors();
  server.expect_ledger_balances();
  EXPECT_EQ(server.ledger("answered"), 5u);
  EXPECT_EQ(server.reason("failed.forced_end"), 3u);
}

}  // namespace
}  // namespace cpss
