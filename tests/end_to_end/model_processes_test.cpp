// The server model of processes (CPSS_MODEL=mp): processes that are killed, the messages that they
// held, and the end of all processes when their parent goes.
#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/end_to_end/child_processes.h"
#include "tests/end_to_end/gate_file.h"
#include "tests/end_to_end/peers.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/support/eventually.h"

namespace cpss {
namespace {

using testing::ContainsRegex;

using Children = std::map<pid_t, std::string>;

class Processes : public testing::Test {
 protected:
  static constexpr std::size_t kLanes = 3;

  static Environment prefork(const std::string& service, Environment more = {}) {
    more.insert(
        {{"CPSS_MODEL", "mp"}, {"CPSS_LANES", std::to_string(kLanes)}, {"CPSS_SERVICE", service}});
    return more;
  }
  Environment gated(Environment more = {}) const {
    more["TEST_GATE"] = gate_.path();
    return prefork("gated", std::move(more));
  }
  // With these one or two processes do not take 40 messages.
  Environment gated_in_small_batches(Environment more = {}) const {
    more["CPSS_BATCH"] = "4";
    return gated(std::move(more));
  }
  static Environment each_its_own_socket() {
    return {{"CPSS_SOCKETS", "reuseport"}, {"CPSS_STEERING", "random"}};
  }
  static std::uint64_t processes(const ServerProcess& server, const char* which) {
    return server.stats().at("processes").at(which);
  }
  // Waits until every lane has received something; with a closed gate it then receives no more.
  static void wait_until_all_are_inside(const ServerProcess& server) {
    ASSERT_TRUE(eventually([&] {
      const nlohmann::json now = server.stats();
      return now.at("ledger").at("residual") == 0 &&
             std::ranges::all_of(now.at("receivers"),
                                 [](const auto& lane) { return lane.at("received") > 0; });
    }));
  }
  // Waits for a new process of each lane in place of the killed ones.
  static void expect_replaced(const ServerProcess& server, const Children& killed) {
    std::multiset<std::string> names;
    EXPECT_TRUE(eventually([&] {
      names.clear();
      const Children now = children_of(server.pid());
      for (const auto& [process, name] : now) names.insert(name);
      // A new process has its parent's name until it has set its own.
      return names == std::multiset<std::string>{"proc-0", "proc-1", "proc-2"} &&
             std::ranges::none_of(killed,
                                  [&](const auto& child) { return now.contains(child.first); });
    })) << testing::PrintToString(names);
  }

  GateFile gate_;
};

TEST_F(Processes, AnIdleOneThatIsKilledIsReplaced) {
  ServerProcess server(program::kServer, prefork("echo"));
  const Children children = children_of(server.pid());
  ASSERT_EQ(children.size(), kLanes);
  EXPECT_EQ(processes(server, "started"), kLanes);
  // Kills them one after the other, in the end all.
  Children killed;
  for (const auto& [process, name] : children) {
    kill(process, SIGKILL);
    ASSERT_TRUE(eventually([&] { return processes(server, "lost") == killed.size() + 1; }));
    killed.emplace(process, name);
    UdpClient client(server.address());
    for (int i = 0; i < 10; ++i) ASSERT_EQ(client.ask("still here?"), "still here?");
    // The last reply comes before its message is booked.
    server.wait_until_idle(10 * killed.size());
  }
  expect_replaced(server, killed);
  // The parent counts a process, which may have its name before that.
  EXPECT_TRUE(eventually([&] { return processes(server, "started") == 2 * kLanes; }));
  server.expect_clean_end();
  // By now the log has all its lines. It names the last one of the deaths within a second.
  EXPECT_THAT(server.process().errors(),
              ContainsRegex("proc-[0-2]: the process died \\(Killed\\)"));
  EXPECT_EQ(server.ledger("answered"), 10 * kLanes);
  EXPECT_EQ(server.ledger("failed"), 0u);
}

TEST_F(Processes, WhatTheyHeldWhenTheyWereKilledIsFailedAndTheRestIsAnswered) {
  for (const Environment& sockets : {Environment{}, each_its_own_socket()}) {
    SCOPED_TRACE(sockets.empty() ? "shared" : "reuseport");
    gate_.close();
    ServerProcess server(program::kTestServer, gated_in_small_batches(sockets));
    Peers peers(server.address(), 8);
    peers.send(5);
    wait_until_all_are_inside(server);
    const std::uint64_t inside = server.ledger("in_flight");
    const Children children = children_of(server.pid());
    for (const auto& [process, name] : children) kill(process, SIGKILL);
    ASSERT_TRUE(eventually([&] { return processes(server, "lost") == kLanes; }));
    EXPECT_EQ(server.reason("failed.dead_process"), inside);
    expect_replaced(server, children);
    gate_.open();
    server.wait_until_idle(40);
    UdpClient client(server.address());
    EXPECT_EQ(client.ask("and on"), "and on");
    server.expect_clean_end();
    EXPECT_EQ(server.reason("failed.dead_process"), inside);
    EXPECT_EQ(server.ledger("answered"), 41 - inside);
  }
}

TEST_F(Processes, TheSameLaneMayDieAgainAndAgain) {
  ServerProcess server(program::kTestServer, prefork("crasher", {{"CPSS_LANES", "1"}}));
  UdpClient client(server.address());
  for (std::uint64_t i = 1; i <= 4; ++i) {
    ASSERT_EQ(client.send("!crash"), 0);
    ASSERT_TRUE(eventually([&] { return processes(server, "lost") == i; }));
    EXPECT_EQ(server.reason("failed.dead_process"), i);
    EXPECT_EQ(client.ask("and on"), "and on");
    server.wait_until_idle(2 * i);
    server.expect_ledger_balances();
  }
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), 4u);
}

TEST_F(Processes, WhatOneHeldThatIsKilledDuringTheDrainIsFailedAndTheRestIsAnswered) {
  for (const Environment& sockets : {Environment{}, each_its_own_socket()}) {
    SCOPED_TRACE(sockets.empty() ? "shared" : "reuseport");
    gate_.close();
    ServerProcess server(program::kTestServer, gated_in_small_batches(sockets));
    Peers(server.address(), 8).send(5);
    wait_until_all_are_inside(server);
    server.process().signal(SIGTERM);
    server.wait_until_draining();
    const Children children = children_of(server.pid());
    ASSERT_EQ(children.size(), kLanes);
    kill(children.begin()->first, SIGKILL);
    ASSERT_TRUE(eventually([&] { return processes(server, "lost") == 1; }));
    const std::uint64_t lost = server.reason("failed.dead_process");
    EXPECT_GT(lost, 0u);
    gate_.open();
    server.expect_to_end_well();
    EXPECT_EQ(server.ledger("received"), 40u) << "all that the sockets held";
    EXPECT_EQ(server.ledger("answered"), 40 - lost);
    EXPECT_EQ(server.reason("failed.dead_process"), lost);
  }
}

// As service managers do, the test signals all processes of the service.
TEST_F(Processes, ASignalToAllOfThemIsOneToTheServer) {
  for (const char* mode : {"prefork", "fork"}) {
    SCOPED_TRACE(mode);
    gate_.close();
    ServerProcess server(program::kTestServer, gated({{"CPSS_MP", mode}}));
    Peers peers(server.address(), 4);
    peers.send(5);
    ASSERT_TRUE(eventually([&] { return server.ledger("in_flight") > 0; }));
    for (const auto& [process, name] : children_of(server.pid())) kill(process, SIGTERM);
    server.process().signal(SIGTERM);
    server.wait_until_draining();
    gate_.open();
    EXPECT_EQ(peers.receive().echoes, 20u);
    server.expect_to_end_well();
    EXPECT_EQ(server.ledger("answered"), 20u);
    EXPECT_EQ(processes(server, "lost"), 0u);
  }
}

TEST_F(Processes, GoWithTheirParent) {
  ServerProcess server(program::kTestServer, gated_in_small_batches());
  Peers(server.address(), 8).send(5);
  wait_until_all_are_inside(server);
  const Children children = children_of(server.pid());
  server.process().signal(SIGKILL);
  EXPECT_EQ(server.process().wait(kPatience), 128 + SIGKILL);
  EXPECT_TRUE(eventually([&] {
    return std::ranges::none_of(children, [](const auto& child) { return runs(child.first); });
  })) << "a process is left behind";
  const Finished getstat = run_program({program::kGetstat, "--file", server.stats_file()});
  EXPECT_EQ(getstat.code, 3) << getstat.output << getstat.errors;
  EXPECT_EQ(server.stats().at("state"), "stale");
  EXPECT_EQ(server.ledger("residual"), 0u);
}

// --- a process for each message ---

class ProcessPerMessage : public Processes {
 protected:
  static constexpr std::size_t kMax = 8;  // for CPSS_LANES=1

  static Environment fork_for(const std::string& service, Environment more = {}) {
    more["CPSS_LANES"] = "1";
    more["CPSS_MP"] = "fork";
    return prefork(service, std::move(more));
  }
  Environment gated_fork(Environment more = {}) const {
    more["TEST_GATE"] = gate_.path();
    return fork_for("gated", std::move(more));
  }
};

TEST_F(ProcessPerMessage, NeverMoreAtOnceThanEightForEachLane) {
  ServerProcess server(program::kTestServer, gated_fork());
  EXPECT_TRUE(children_of(server.pid()).empty());
  Peers peers(server.address(), 4);
  peers.send(10);
  ASSERT_TRUE(eventually([&] { return children_of(server.pid()).size() == kMax; }));
  server.wait_until_inside(kMax);
  server.expect_ledger_balances();
  EXPECT_EQ(children_of(server.pid()).size(), kMax) << "the others wait for a place";
  gate_.open();
  EXPECT_EQ(peers.receive().echoes, 40u);
  server.wait_until_idle(40);
  EXPECT_TRUE(eventually([&] { return children_of(server.pid()).empty(); }));
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), 40u);
  EXPECT_EQ(processes(server, "lost"), 0u);
}

TEST_F(ProcessPerMessage, AServiceThatCrashesFailsItsMessageOnly) {
  ServerProcess server(program::kTestServer, fork_for("crasher"));
  UdpClient client(server.address());
  for (std::uint64_t i = 1; i <= 12; ++i) {
    ASSERT_EQ(client.send("!crash"), 0);
    ASSERT_EQ(client.ask("and on"), "and on");
  }
  server.wait_until_idle(24);
  EXPECT_TRUE(eventually([&] { return processes(server, "lost") == 12; }));
  server.expect_clean_end();
  EXPECT_EQ(server.reason("failed.dead_process"), 12u);
  EXPECT_EQ(server.ledger("answered"), 12u);
}

TEST_F(ProcessPerMessage, WhatTheyHeldWhenTheyWereKilledIsFailedAndTheRestIsAnswered) {
  ServerProcess server(program::kTestServer, gated_fork());
  Peers peers(server.address(), 4);
  peers.send(5);
  ASSERT_TRUE(eventually([&] { return children_of(server.pid()).size() == kMax; }));
  for (const auto& [process, name] : children_of(server.pid())) kill(process, SIGKILL);
  ASSERT_TRUE(eventually([&] { return server.reason("failed.dead_process") == kMax; }));
  gate_.open();
  server.wait_until_idle(20);
  server.expect_clean_end();
  EXPECT_EQ(server.reason("failed.dead_process"), kMax);
  EXPECT_EQ(server.ledger("answered"), 20 - kMax);
  EXPECT_EQ(processes(server, "lost"), kMax);
}

TEST_F(ProcessPerMessage, OneThatIsKilledDuringTheDrainIsBooked) {
  ServerProcess server(program::kTestServer, gated_fork());
  Peers(server.address(), 4).send(5);
  ASSERT_TRUE(eventually([&] { return children_of(server.pid()).size() == kMax; }));
  server.process().signal(SIGTERM);
  server.wait_until_draining();
  const Children children = children_of(server.pid());
  kill(children.begin()->first, SIGKILL);
  ASSERT_TRUE(eventually([&] { return processes(server, "lost") == 1; }));
  gate_.open();
  server.expect_to_end_well();
  EXPECT_EQ(server.reason("failed.dead_process"), 1u);
  EXPECT_EQ(server.ledger("answered"), 19u);
}

// The parent, which would book the remaining messages, is gone; but the region can be read.
TEST_F(ProcessPerMessage, EndWithTheirMessagesWhenTheParentIsKilled) {
  ServerProcess server(program::kTestServer, gated_fork());
  Peers(server.address(), 4).send(5);
  ASSERT_TRUE(eventually([&] { return children_of(server.pid()).size() == kMax; }));
  const Children children = children_of(server.pid());
  server.process().signal(SIGKILL);
  EXPECT_EQ(server.process().wait(kPatience), 128 + SIGKILL);
  EXPECT_EQ(server.stats().at("state"), "stale");
  gate_.open();
  EXPECT_TRUE(eventually([&] {
    return std::ranges::none_of(children, [](const auto& child) { return runs(child.first); });
  })) << "a process is left behind";
}

}  // namespace
}  // namespace cpss
