// More load than the server can serve, under the policy `block`: receive waits, the kernel's buffer
// fills and its drops are counted. Memory does not grow and the ledger is exact to the last
// datagram.
#include <thread>

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "tests/end_to_end/flooded_server.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/support/flood.h"

namespace cpss {
namespace {

void flood_twice_and_check(ServerProcess& server, std::uint64_t each, std::size_t bytes) {
  const std::string payload(bytes, 'x');
  FloodAccount account(server);
  Flood flood(server.address(), 4);
  account.add(flood.send(each, std::as_bytes(std::span(payload))).datagrams);
  account.wait_until_all_taken();
  const std::uint64_t allocated = allocated_kib(server.process().pid());
  account.add(flood.send(each, std::as_bytes(std::span(payload))).datagrams);
  account.wait_until_all_taken();
  expect_no_more_allocated(server.process().pid(), allocated);
  server.expect_clean_end();
  account.expect_all_accounted();
  EXPECT_EQ(server.ledger("answered") + server.ledger("invalid"), server.ledger("received"));
}

TEST(Overload, SlowServiceFourClients) {
  ServerProcess server(program::kTestServer,
                       {{"CPSS_SERVICE", "slow"}, {"TEST_SLEEP_US", "50"}, {"CPSS_QSLOTS", "512"}});
  flood_twice_and_check(server, 20'000, 256);
  EXPECT_GT(server.ledger("kernel_dropped"), 0u) << "that was no overload";
}

TEST(Overload, EchoWithOneSlot) {
  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "echo"}, {"CPSS_QSLOTS", "1"}});
  flood_twice_and_check(server, 20'000, 256);
  EXPECT_EQ(server.stats().at("stages").at(1).at("queue_high_water"), 1);
}

TEST(Overload, LargestDatagrams) {
  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "echo"}});
  flood_twice_and_check(server, 500, 65'507);
  EXPECT_EQ(server.ledger("invalid"), server.ledger("received"));
}

TEST(Overload, StoppedServer) {
  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "echo"}});
  FloodAccount account(server);
  Flood flood(server.address(), 2);
  server.process().signal(SIGSTOP);
  const std::string payload(100, 'x');
  account.add(flood.send(50'000, std::as_bytes(std::span(payload))).datagrams);
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  server.process().signal(SIGCONT);
  account.wait_until_all_taken();
  server.expect_clean_end();
  account.expect_all_accounted();
  EXPECT_GT(server.ledger("kernel_dropped"), 0u);
}

class PausedConsumers : public testing::Test {
 protected:
  // Sends `slots` + `more` requests to a server that stands still at `gate`, then opens the gate.
  void run(const char* gate, int slots, int more) {
    const std::string file = folder_.file("gate");
    write_file(file, "");
    ServerProcess server(
        program::kTestServer,
        {{"CPSS_SERVICE", "gated"},
         {gate, file},
         {"CPSS_DISPATCH", "queued"},  // only the stage behind the gate stands still
         {"CPSS_QSLOTS", std::to_string(slots)}});
    UdpClient client(server.address());
    for (int i = 0; i < slots + more; ++i) ASSERT_EQ(client.send("request"), 0);
    for (int i = 0; i < 200 && server.ledger("received") < static_cast<unsigned>(slots); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    EXPECT_EQ(server.ledger("received"), static_cast<unsigned>(slots)) << "receive did not wait";
    unlink(file.c_str());
    for (int i = 0; i < slots + more; ++i) ASSERT_TRUE(client.receive()) << i;
    server.expect_clean_end();
    EXPECT_EQ(server.ledger("answered"), static_cast<unsigned>(slots + more));
    const nlohmann::json receive = server.stats().at("stages").at(0);
    if (more > 0) {
      EXPECT_GT(receive.at("slot_wait_ns"), 10'000'000u);
    }
  }
  TemporaryFolder folder_;
};

TEST_F(PausedConsumers, BurstOfAllSlots) {
  run("TEST_GATE", 64, 0);
}
TEST_F(PausedConsumers, BurstOfAllSlotsAndOne) {
  run("TEST_GATE", 64, 1);
}
TEST_F(PausedConsumers, ResponsePaused) {
  run("TEST_SEND_GATE", 64, 200);
}
TEST_F(PausedConsumers, OneSlot) {
  run("TEST_GATE", 1, 50);
}

}  // namespace
}  // namespace cpss
