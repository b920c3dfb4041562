// A forced end under each server model, while a service stands still: every message inside, in
// whichever place, is booked once, and only then does the region say that the end was clean.
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "net/udp_socket.h"
#include "tests/end_to_end/child_processes.h"
#include "tests/end_to_end/every_model.h"
#include "tests/end_to_end/gate_file.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/net/inbox.h"
#include "tests/support/eventually.h"
#include "tests/support/threads.h"
#include "tests/support/tracer.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kPackets = 3;
constexpr std::uint64_t kDatagrams = 32;  // in each packet

// seda_on_one_cpu: receive runs the service inline, while it holds datagrams that found no slot.
std::vector<ModelUnderTest> models() {
  std::vector<ModelUnderTest> result = every_model();
  const std::string cpu = std::to_string(test::first_allowed_cpu());
  result.push_back({"seda_on_one_cpu",
                    {{"CPSS_MODEL", "seda"},
                     {"CPSS_RECV_CPUS", cpu},
                     {"CPSS_SERVICE_CPUS", cpu},
                     {"CPSS_RESP_CPUS", cpu}}});
  result.push_back({"symped_reuseport", {{"CPSS_MODEL", "symped"}, {"CPSS_SOCKETS", "reuseport"}}});
  result.push_back({"mp_reuseport", {{"CPSS_MODEL", "mp"}, {"CPSS_SOCKETS", "reuseport"}}});
  return result;
}

// Sends packets that the kernel hands over merged, if the server's socket takes them so.
void send_packets(const SocketAddress& to) {
  UdpSocket client(address_of("127.0.0.1"), {.gso = true});
  const std::string text(100, 'x');
  const std::vector<OutgoingDatagram> packet(
      kDatagrams, {reinterpret_cast<const std::byte*>(text.data()), text.size(), &to, nullptr});
  for (std::uint64_t i = 0; i < kPackets; ++i) ASSERT_EQ(client.send(packet).accepted, kDatagrams);
}

class ForcedEnd : public testing::TestWithParam<ModelUnderTest> {
 protected:
  // With datagrams inside; if the kernel merges, with more than there are slots.
  void expect_closed_ledger(Environment more, const std::vector<int>& signals) {
    const GateFile gate;
    more.insert({{"CPSS_SERVICE", "gated"}, {"TEST_GATE", gate.path()}, {"CPSS_QSLOTS", "4"}});
    ServerProcess server(program::kTestServer, under(GetParam(), std::move(more)));
    send_packets(server.address());
    std::uint64_t inside = 0;
    ASSERT_TRUE(eventually(
        [&] {
          const std::uint64_t before = std::exchange(inside, server.ledger("in_flight"));
          return inside > 0 && inside == before;
        },
        kPatience, 100ms));
    if (GetParam().name != "symped_handoff") {
      EXPECT_GE(inside, kDatagrams) << "merged ones are held";
    }

    for (const int signal : signals) {
      server.process().signal(signal);
      ASSERT_TRUE(eventually([&] {
        return !server.process().running() ||
               server.process().errors().find("draining") != std::string::npos;
      }));
    }
    EXPECT_EQ(server.process().wait(kPatience), 1) << server.process().errors();
    EXPECT_THAT(server.process().errors(), testing::HasSubstr("forced end"));
    EXPECT_EQ(server.stats().at("state"), "stopped") << server.process().errors();
    server.expect_ledger_balances();
    EXPECT_EQ(server.ledger("in_flight"), 0u);
    EXPECT_GE(server.ledger("received"), inside);
    EXPECT_EQ(server.reason("failed.forced_end"), server.ledger("received"));
  }
};

TEST_P(ForcedEnd, ADrainThatTakesTooLongBooksAllThatIsHeld) {
  expect_closed_ledger({{"CPSS_DRAIN_TIMEOUT", "0.3"}}, {SIGTERM});
}

TEST_P(ForcedEnd, ASecondSignalBooksAllThatIsHeld) {
  expect_closed_ledger({}, {SIGTERM, SIGINT});
}

INSTANTIATE_TEST_SUITE_P(Models, ForcedEnd, testing::ValuesIn(models()), model_name);

// Main cannot take the message while the process may still end it.
TEST(ForcedEndOfProcesses, AKilledProcessThatDoesNotEndLeavesNoMarkOfACleanEnd) {
  for (const char* use : {"prefork", "fork"}) {
    SCOPED_TRACE(use);
    const GateFile gate;
    ServerProcess server(program::kTestServer, {{"CPSS_MODEL", "mp"},
                                                {"CPSS_MP", use},
                                                {"CPSS_LANES", "1"},
                                                {"CPSS_SERVICE", "gated"},
                                                {"TEST_GATE", gate.path()},
                                                {"CPSS_DRAIN_TIMEOUT", "0.3"}});
    UdpClient client(server.address());
    ASSERT_EQ(client.send("stays inside"), 0);
    ASSERT_TRUE(eventually(
        [&] { return server.ledger("in_flight") == 1 && children_of(server.pid()).size() == 1; }));
    Tracer tracer(children_of(server.pid()).begin()->first);
    if (!tracer.traces()) GTEST_SKIP() << "may not trace: a process of this user";
    server.process().signal(SIGTERM);
    EXPECT_EQ(server.process().wait(kPatience), 1);
    EXPECT_THAT(server.process().errors(),
                testing::HasSubstr("1 messages are still inside, and cannot be taken"));
    EXPECT_EQ(server.stats().at("state"), "stale");
    EXPECT_EQ(server.ledger("in_flight"), 1u);
    tracer.let_go();
  }
}

}  // namespace
}  // namespace cpss
