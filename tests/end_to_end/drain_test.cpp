// The end of a server: it answers what it received before the signal, the kernel keeps and counts
// what comes later, and a server that cannot finish still closes its ledger.
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/support/eventually.h"
#include "tests/support/flood.h"
#include "tests/support/from_environment.h"

namespace cpss {
namespace {

class Drain : public testing::Test {
 protected:
  // A server whose service, or whose send, stands still as long as the gate is closed.
  Environment gated(const char* gate = "TEST_GATE") const {
    write_file(gate_, "");
    // So that only the stage behind the gate stands still.
    return {{"CPSS_SERVICE", "gated"}, {gate, gate_}, {"CPSS_DISPATCH", "queued"}};
  }
  void open_gate() const { unlink(gate_.c_str()); }

  // `count` different requests of one client.
  static void send_numbered(UdpClient& client, int count) {
    for (int i = 0; i < count; ++i) ASSERT_EQ(client.send("request " + std::to_string(i)), 0);
  }
  static std::size_t different_replies(UdpClient& client, std::size_t expected) {
    std::set<std::string> replies;
    while (replies.size() < expected) {
      const auto reply = client.receive();
      if (!reply) break;
      replies.insert(*reply);
    }
    return replies.size();
  }
  static void wait_until_inside(const ServerProcess& server, std::uint64_t count) {
    ASSERT_TRUE(eventually([&] { return server.ledger("in_flight") >= count; }));
  }

  TemporaryFolder folder_;
  const std::string gate_ = folder_.file("gate");
};

TEST_F(Drain, EveryMessageInsideIsAnsweredAndArrives) {
  ServerProcess server(program::kTestServer, gated());
  UdpClient client(server.address());
  send_numbered(client, 1500);
  wait_until_inside(server, 1500);
  server.process().signal(SIGTERM);
  server.wait_until_draining();
  EXPECT_TRUE(server.process().running());
  open_gate();
  EXPECT_EQ(different_replies(client, 1500), 1500u);
  EXPECT_EQ(server.process().wait(kPatience), 0) << server.process().errors();
  server.expect_ledger_balances();
  EXPECT_EQ(server.ledger("answered"), 1500u);
  EXPECT_EQ(server.stats().at("state"), "stopped");
}

// It asks for data, not for the end: it is no second signal.
TEST_F(Drain, AHangupChangesNothing) {
  ServerProcess server(program::kTestServer, gated());
  UdpClient client(server.address());
  send_numbered(client, 100);
  wait_until_inside(server, 100);
  server.process().signal(SIGTERM);
  server.wait_until_draining();
  for (int i = 0; i < 3; ++i) server.process().signal(SIGHUP);
  EXPECT_FALSE(server.process().wait(std::chrono::milliseconds(300)));
  open_gate();
  EXPECT_EQ(different_replies(client, 100), 100u);
  server.expect_to_end_well();
}

TEST_F(Drain, WhatTheKernelHeldAtTheSignalIsAnsweredToo) {
  Environment environment = gated();
  environment["CPSS_QSLOTS"] = "4";
  ServerProcess server(program::kTestServer, environment);
  UdpClient client(server.address());
  send_numbered(client, 300);
  wait_until_inside(server, 4);
  EXPECT_EQ(server.ledger("received"), 4u);
  server.process().signal(SIGTERM);
  server.wait_until_draining();
  open_gate();
  EXPECT_EQ(different_replies(client, 300), 300u);
  EXPECT_EQ(server.process().wait(kPatience), 0) << server.process().errors();
  server.expect_ledger_balances();
}

TEST_F(Drain, WhatComesAfterTheSignalIsCountedAsTheKernels) {
  ServerProcess server(program::kTestServer, gated());
  UdpClient client(server.address());
  send_numbered(client, 10);
  wait_until_inside(server, 10);
  server.process().signal(SIGTERM);
  server.wait_until_draining();
  for (int i = 0; i < 7; ++i) EXPECT_EQ(client.send("too late"), 0);
  EXPECT_TRUE(eventually([&] { return server.ledger("kernel_dropped") == 7; }));
  open_gate();
  EXPECT_EQ(server.process().wait(kPatience), 0) << server.process().errors();
  server.expect_ledger_balances();
  EXPECT_EQ(server.ledger("received"), 10u);
  EXPECT_EQ(server.ledger("kernel_dropped"), 7u);
}

void expect_forced_end(ServerProcess& server, std::uint64_t inside) {
  EXPECT_EQ(server.process().wait(kPatience), 1) << server.process().errors();
  server.expect_ledger_balances();
  EXPECT_EQ(server.reason("failed.forced_end"), inside);
  EXPECT_EQ(server.ledger("in_flight"), 0u);
  EXPECT_THAT(server.process().errors(), testing::HasSubstr("forced end"));
}

TEST_F(Drain, SecondSignalEndsAtOnceAndTheLedgerCloses) {
  ServerProcess server(program::kTestServer, gated());
  UdpClient client(server.address());
  send_numbered(client, 1200);
  wait_until_inside(server, 1200);
  server.process().signal(SIGTERM);
  server.wait_until_draining();
  server.process().signal(SIGINT);
  expect_forced_end(server, 1200);
}

TEST_F(Drain, TimeOutEndsItAndTheLedgerCloses) {
  Environment environment = gated();
  environment["CPSS_DRAIN_TIMEOUT"] = "0.3";
  ServerProcess server(program::kTestServer, environment);
  UdpClient client(server.address());
  send_numbered(client, 100);
  wait_until_inside(server, 100);
  server.process().signal(SIGTERM);
  expect_forced_end(server, 100);
}

TEST_F(Drain, TimeOutWhileRepliesCannotBeSent) {
  Environment environment = gated("TEST_SEND_GATE");
  environment["CPSS_DRAIN_TIMEOUT"] = "0.3";
  ServerProcess server(program::kTestServer, environment);
  UdpClient client(server.address());
  send_numbered(client, 200);
  wait_until_inside(server, 200);
  server.process().signal(SIGTERM);
  expect_forced_end(server, 200);
}

// K06. A hundredth of the repetitions of scripts/check, which sets REPETITIONS.
TEST_F(Drain, UnderLoadAgainAndAgain) {
  const unsigned runs = test::from_environment("REPETITIONS", 10);
  for (unsigned run = 0; run < runs; ++run) {
    SCOPED_TRACE(run);
    ServerProcess server(program::kServer, {{"CPSS_SERVICE", "echo"},
                                            {"CPSS_RECV_THREADS", run % 2 == 0 ? "1" : "2"}});
    Flood flood(server.address(), 2);
    Flood::Sent sent;
    std::thread sender([&] { sent = flood.send(10'000, std::as_bytes(std::span("load", 4))); });
    std::this_thread::sleep_for(std::chrono::milliseconds(2 * (run % 10)));
    server.process().signal(run % 3 == 0 ? SIGINT : SIGTERM);
    EXPECT_EQ(server.process().wait(kPatience), 0) << server.process().errors();
    sender.join();
    server.expect_ledger_balances();
    // Datagrams sent after the socket had gone were refused by ICMP, or lost with it: the server
    // need not count them.
    EXPECT_LE(server.ledger("received") + server.ledger("kernel_dropped"), sent.datagrams);
    EXPECT_EQ(server.ledger("answered"), server.ledger("received"));
    EXPECT_EQ(server.ledger("failed"), 0u);
  }
}

}  // namespace
}  // namespace cpss
