// Datagrams that come while the server closes its sockets: each is in the server's ledger, or the
// kernel has told its sender that no socket listens there.
#include <atomic>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <signal.h>

#include "net/udp_socket.h"
#include "tests/end_to_end/every_model.h"
#include "tests/end_to_end/gate_file.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/net/inbox.h"
#include "tests/support/eventually.h"
#include "tests/support/flood.h"
#include "tests/support/namespace.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;

// Datagrams for ports of this network namespace without a socket (netstat(8), NoPorts).
std::uint64_t for_nobody() {
  std::uint64_t total = 0;
  // A line of names, then a line of values.
  std::ifstream v4("/proc/net/snmp");
  std::string names, values;
  while (std::getline(v4, names) && std::getline(v4, values)) {
    if (!names.starts_with("Udp:")) continue;
    std::istringstream name(names), value(values);
    for (std::string n, v; name >> n && value >> v;)
      if (n == "NoPorts") total += std::stoull(v);
  }
  std::ifstream v6("/proc/net/snmp6");
  for (std::string n, v; v6 >> n >> v;)
    if (n == "Udp6NoPorts") total += std::stoull(v);
  return total;
}

// Sends to the address until it is stopped; counts the datagrams that the kernel took.
class Sender {
 public:
  explicit Sender(const SocketAddress& to)
      : socket_(address_of(to.family() == AF_INET ? "127.0.0.1" : "::1"), {}), thread_([this, to] {
          const std::string text = "request";
          const OutgoingDatagram one{reinterpret_cast<const std::byte*>(text.data()), text.size(),
                                     &to, nullptr};
          while (!stop_) sent_ += socket_.send(std::span(&one, 1)).accepted;
        }) {}
  ~Sender() { stop(); }
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  std::uint64_t stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return sent_;
  }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> sent_{0};
  UdpSocket socket_;
  std::thread thread_;
};

std::vector<ModelUnderTest> models() {
  std::vector<ModelUnderTest> result = every_model();
  result.push_back(
      {"seda_reuseport",
       {{"CPSS_MODEL", "seda"}, {"CPSS_SOCKETS", "reuseport"}, {"CPSS_RECV_THREADS", "4"}}});
  result.push_back(
      {"mp_reuseport", {{"CPSS_MODEL", "mp"}, {"CPSS_SOCKETS", "reuseport"}, {"CPSS_LANES", "4"}}});
  result.push_back({"seda_any", {{"CPSS_MODEL", "seda"}, {"CPSS_LISTEN", "0.0.0.0:0"}}});
  result.push_back({"seda_v6", {{"CPSS_MODEL", "seda"}, {"CPSS_LISTEN", "[::1]:0"}}});
  result.push_back({"seda_dual", {{"CPSS_MODEL", "seda"}, {"CPSS_LISTEN", "[::]:0"}}});
  return result;
}

class LastDrops : public testing::TestWithParam<ModelUnderTest> {
 protected:
  // Runs a server in a network of its own, and `end`, which ends it while a sender goes on.
  static void run(const std::function<void(ServerProcess&)>& end, Environment more) {
    const auto body = [&] {
      // Without merging the kernel counts datagrams, not packets. Hand-off never merges.
      if (GetParam().name != "symped_handoff") more["CPSS_GRO"] = "false";
      more["CPSS_SOCKET_BUFFER"] = "64KiB";  // a process for each message is slow
      ServerProcess server(program::kTestServer, under(GetParam(), std::move(more)));
      SocketAddress to = server.address();
      if (to.ip().is_unspecified()) to = SocketAddress(*IpAddress::parse("127.0.0.1"), to.port());
      const std::uint64_t lost_before = backlog_drops();
      Sender sender(to);
      EXPECT_TRUE(eventually([&] { return server.ledger("received") > 0; }));
      end(server);
      // Waits until the sender has found the port closed.
      const std::uint64_t nobody = for_nobody();
      EXPECT_TRUE(eventually([&] { return for_nobody() > nobody + 1000; }));
      const std::uint64_t sent = sender.stop();
      EXPECT_EQ(server.stats().at("state"), "stopped");
      server.expect_ledger_balances();
      const std::uint64_t in_ledger = server.ledger("received") + server.ledger("kernel_dropped");
      // The rest came when no socket was there. A CPU's input queue may hold some of it for a
      // while, and may have lost some; the kernel counts that for the whole machine.
      const auto missing = [&] {
        return static_cast<std::int64_t>(sent) -
               static_cast<std::int64_t>(in_ledger + for_nobody());
      };
      const auto lost_before_us = [&] {
        return static_cast<std::int64_t>(backlog_drops() - lost_before);
      };
      EXPECT_TRUE(eventually([&] { return missing() <= lost_before_us(); }))
          << missing() << " of " << sent << " are in no ledger";
      EXPECT_GE(missing(), 0) << "more is in the ledger than was sent";
      return testing::Test::HasFailure();
    };
    const NamespaceRun run = run_in_namespace(body, kServersInNamespace);
    if (!run.exit_status) GTEST_SKIP() << run.not_possible;
    EXPECT_EQ(run.exit_status, 0);
  }
};

TEST_P(LastDrops, OfAnOrderlyEndAreAllInTheLedger) {
  run(
      [](ServerProcess& server) {
        server.process().signal(SIGTERM);
        EXPECT_EQ(server.process().wait(50s), 0) << server.process().errors();
      },
      {{"CPSS_SERVICE", "echo"}, {"CPSS_DRAIN_TIMEOUT", "60"}});
}

// At a forced end the lanes leave the datagrams in the sockets unread.
TEST_P(LastDrops, OfAForcedEndAreAllInTheLedger) {
  const GateFile gate;
  run(
      [](ServerProcess& server) {
        server.process().signal(SIGTERM);
        EXPECT_EQ(server.process().wait(20s), 1) << server.process().errors();
      },
      {{"CPSS_SERVICE", "gated"},
       {"CPSS_QSLOTS", "8"},
       {"CPSS_DRAIN_TIMEOUT", "0.2"},
       {"TEST_GATE", gate.path()}});
}

INSTANTIATE_TEST_SUITE_P(Models, LastDrops, testing::ValuesIn(models()), model_name);

}  // namespace
}  // namespace cpss
