// More load than the server can serve, under the policy `shed`: requests that find no room are
// received all the same, answered with the service's busy reply or not at all, and booked. Where
// the policy `block` has to come to the same end, the tests run both.
#include <algorithm>
#include <chrono>
#include <functional>
#include <set>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "services/native_wire.h"
#include "tests/end_to_end/flooded_server.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/test_services.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/support/eventually.h"
#include "tests/support/flood.h"
#include "tests/support/threads.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;
std::uint64_t busy_replies(const ServerProcess& server) {
  const nlohmann::json now = server.stats();
  std::uint64_t sum = 0;
  for (const auto& stage : now.at("stages")) sum += stage.at("busy_replies").get<std::uint64_t>();
  return sum;
}

void wait_for(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "it does not come to that";
    std::this_thread::sleep_for(10ms);
  }
}

// Sends without end, from two clients, until it is ended or destroyed.
class EndlessFlood {
 public:
  explicit EndlessFlood(const SocketAddress& server)
      : flood_(server, 2), thread_([this](const std::stop_token& stop) {
          const std::string payload(64, 'x');
          while (!stop.stop_requested())
            sent_ += flood_.send(500, std::as_bytes(std::span(payload))).datagrams;
        }) {}

  // Ends the flood; returns the number of datagrams that the kernel took.
  std::uint64_t end() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
    return sent_;
  }

 private:
  Flood flood_;
  std::uint64_t sent_ = 0;
  std::jthread thread_;
};

class Shed : public testing::Test {
 protected:
  // A server under `policy` whose service, or whose send, stands still while the gate is closed.
  Environment gated(const std::string& policy, int slots, const char* gate = "TEST_GATE") const {
    write_file(gate_, "");
    return {{"CPSS_SERVICE", "gated"},
            {gate, gate_},
            {"CPSS_DISPATCH", "queued"},  // only the stage behind the gate stands still
            {"CPSS_OVERLOAD", policy},
            {"CPSS_QSLOTS", std::to_string(slots)}};
  }
  void close_gate() const { write_file(gate_, ""); }
  void open_gate() const { unlink(gate_.c_str()); }

  static void send(UdpClient& client, int count, const std::string& text = "request") {
    for (int i = 0; i < count; ++i) ASSERT_EQ(client.send(text), 0);
  }
  static void wait_until_received(const ServerProcess& server, std::uint64_t count) {
    wait_for([&] { return server.ledger("received") >= count; });
  }
  // The numbers of echoes and busy replies among `count` replies.
  struct Replies {
    int echoes = 0;
    int busy = 0;
  };
  static Replies receive(UdpClient& client, int count) {
    Replies replies;
    for (int i = 0; i < count; ++i) {
      const auto reply = client.receive();
      if (!reply) break;
      ++(reply->front() == kBusyMark ? replies.busy : replies.echoes);
    }
    return replies;
  }

  TemporaryFolder folder_;
  const std::string gate_ = folder_.file("gate");
};

// Every datagram is accounted for, memory does not grow, the busy replies keep to their rate.
TEST_F(Shed, FarMoreThanTheCapacity) {
  constexpr std::uint64_t kRate = 500;
  ServerProcess server(program::kTestServer, {{"CPSS_SERVICE", "slow"},
                                              {"TEST_SLEEP_US", "50"},
                                              {"CPSS_QSLOTS", "64"},
                                              {"CPSS_OVERLOAD", "shed"},
                                              {"CPSS_BUSY_RATE", std::to_string(kRate)}});
  FloodAccount account(server);
  const std::string payload(256, 'x');
  const auto begin = std::chrono::steady_clock::now();
  Flood flood(server.address(), 4);
  account.add(flood.send(20'000, std::as_bytes(std::span(payload))).datagrams);
  account.wait_until_all_taken();
  const std::uint64_t allocated = allocated_kib(server.process().pid());
  account.add(flood.send(20'000, std::as_bytes(std::span(payload))).datagrams);
  account.wait_until_all_taken();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  expect_no_more_allocated(server.process().pid(), allocated);
  EXPECT_GT(server.reason("shed.no_slot"), 0u) << "that was no overload";
  EXPECT_LE(static_cast<double>(busy_replies(server)),
            kRate * took.count() + static_cast<double>(kRate) / 100);
  EXPECT_GT(busy_replies(server), 0u);

  UdpClient client(server.address());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client.ask("afterwards"), "afterwards");
  account.add(100);
  server.expect_clean_end();
  account.expect_all_accounted();
  EXPECT_EQ(server.ledger("received"), server.ledger("answered") + server.ledger("shed"));
  EXPECT_EQ(server.ledger("sent"), server.ledger("answered") + busy_replies(server));
}

TEST_F(Shed, ServiceWork) {
  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "work"},
                                          {"CPSS_WORK", "fixed:50;burn"},
                                          {"CPSS_QSLOTS", "32"},
                                          {"CPSS_OVERLOAD", "shed"}});
  FloodAccount account(server);
  const std::string payload(64, 'x');
  Flood flood(server.address(), 2);
  account.add(flood.send(20'000, std::as_bytes(std::span(payload))).datagrams);
  account.add(flood.send(100, std::as_bytes(std::span("too short", 9))).datagrams);
  account.wait_until_all_taken();
  server.expect_clean_end();
  account.expect_all_accounted();
  EXPECT_EQ(server.ledger("received"),
            server.ledger("answered") + server.ledger("shed") + server.ledger("invalid"));
  EXPECT_GT(server.reason("shed.no_slot"), 0u);
  EXPECT_EQ(server.reason("invalid.truncated"), 0u);
  EXPECT_EQ(busy_replies(server), 0u) << "work has no busy reply";
  EXPECT_EQ(server.ledger("sent"), server.ledger("answered"));
}

// A queue has room for the messages of all slots; only the worker queue is bounded.
TEST_F(Shed, WorkerQueueFull) {
  constexpr int kRequests = 50;
  for (const char* policy : {"shed", "block"}) {
    SCOPED_TRACE(policy);
    const bool sheds = std::string(policy) == "shed";
    Environment environment = gated(policy, 64);
    environment.merge(Environment{{"CPSS_DEFER", "all"},
                                  {"CPSS_WORKER_THREADS", "1"},
                                  {"CPSS_WORKER_QUEUE", "4"},
                                  {"CPSS_BUSY_RATE", "100000"}});
    ServerProcess server(program::kTestServer, environment);
    UdpClient client(server.address());
    send(client, kRequests);
    wait_until_received(server, kRequests);
    if (sheds) {
      // One is with the worker, four wait for it.
      wait_for([&] { return server.reason("shed.worker_queue_full") >= kRequests - 5u; });
      wait_for([&] { return server.ledger("in_flight") <= 5; });
    } else {
      std::this_thread::sleep_for(200ms);
      server.wait_until_inside(kRequests);
    }
    open_gate();
    const Replies replies = receive(client, kRequests);
    EXPECT_EQ(replies.echoes + replies.busy, kRequests);
    server.expect_clean_end();
    EXPECT_EQ(server.reason("shed.no_slot"), 0u);
    EXPECT_EQ(server.reason("shed.worker_queue_full"), static_cast<unsigned>(replies.busy));
    EXPECT_EQ(server.ledger("answered"), static_cast<unsigned>(replies.echoes));
    EXPECT_EQ(busy_replies(server), static_cast<unsigned>(replies.busy));
    EXPECT_EQ(replies.busy > 0, sheds);
  }
}

// Slots and worker queue are full at the same time.
TEST_F(Shed, AllStagesFullInTheirTurn) {
  for (const char* policy : {"shed", "block"}) {
    SCOPED_TRACE(policy);
    Environment environment = gated(policy, 8);
    environment.merge(Environment{{"CPSS_DEFER", "all"},
                                  {"CPSS_WORKER_THREADS", "2"},
                                  {"CPSS_WORKER_QUEUE", "2"},
                                  {"CPSS_BUSY_RATE", "100000"}});
    ServerProcess server(program::kTestServer, environment);
    UdpClient client(server.address());
    send(client, 300);
    std::this_thread::sleep_for(200ms);
    EXPECT_LE(server.ledger("in_flight"), 8u);
    open_gate();
    EXPECT_EQ(client.receive().has_value(), true);
    wait_until_received(server, 300);
    server.wait_until_idle(300);
    server.expect_clean_end();
    EXPECT_EQ(server.ledger("received"), 300u);
    EXPECT_EQ(server.ledger("answered") + server.ledger("shed"), 300u);
    if (std::string(policy) == "block") {
      EXPECT_EQ(server.ledger("answered"), 300u);
    }
  }
}

// Twice: the second round fails if not every slot is free again.
TEST_F(Shed, ResponsePaused) {
  constexpr std::uint64_t kSlots = 64;
  constexpr std::uint64_t kMore = 200;
  Environment environment = gated("shed", kSlots, "TEST_SEND_GATE");
  environment["CPSS_BUSY_RATE"] = "0";  // the gate would hold busy replies, too
  ServerProcess server(program::kTestServer, environment);
  UdpClient client(server.address());
  for (std::uint64_t round = 1; round <= 2; ++round) {
    const std::uint64_t before = (round - 1) * (kSlots + kMore + 20);
    close_gate();
    send(client, kSlots);
    wait_until_received(server, before + kSlots);
    server.wait_until_inside(kSlots);
    send(client, kMore);
    wait_for([&] { return server.reason("shed.no_slot") >= round * kMore; });
    server.wait_until_inside(kSlots);
    EXPECT_EQ(server.reason("shed.no_slot"), round * kMore);
    open_gate();
    EXPECT_EQ(receive(client, kSlots).echoes, static_cast<int>(kSlots));
    server.wait_until_idle();  // a reply reaches its client before its slot is free
    for (int i = 0; i < 20; ++i) EXPECT_EQ(client.ask("resumed"), "resumed");
    EXPECT_EQ(server.reason("shed.no_slot"), round * kMore);
  }
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), 2 * (kSlots + 20));
}

// A burst that fits into the slots is answered whole, under either policy.
TEST_F(Shed, BurstOfAllSlots) {
  for (const int slots : {64, 8192}) {
    for (const char* policy : {"shed", "block"}) {
      SCOPED_TRACE(testing::Message() << policy << ' ' << slots);
      ServerProcess server(program::kTestServer, gated(policy, slots));
      Flood flood(server.address(), 4);
      // In parts that fit into any socket buffer.
      const std::string payload(16, 'x');
      constexpr std::uint64_t kPart = 16;
      for (std::uint64_t sent = 0; sent < static_cast<unsigned>(slots); sent += 4 * kPart) {
        ASSERT_EQ(flood.send(kPart, std::as_bytes(std::span(payload))).datagrams, 4 * kPart);
        std::this_thread::sleep_for(2ms);
      }
      wait_until_received(server, static_cast<unsigned>(slots));
      server.wait_until_inside(static_cast<unsigned>(slots));
      open_gate();
      const Flood::Replies replies = flood.receive_replies(static_cast<unsigned>(slots), 2s);
      EXPECT_EQ(replies.datagrams + replies.kernel_dropped, static_cast<unsigned>(slots));
      server.expect_clean_end();
      EXPECT_EQ(server.ledger("answered"), static_cast<unsigned>(slots));
      EXPECT_EQ(server.ledger("shed"), 0u);
    }
  }
}

TEST_F(Shed, BurstOfAllSlotsAndOne) {
  ServerProcess server(program::kTestServer, gated("shed", 64));
  UdpClient client(server.address());
  send(client, 64);
  wait_until_received(server, 64);
  send(client, 1);
  wait_until_received(server, 65);
  EXPECT_EQ(receive(client, 1).busy, 1) << "the one too many is answered at once";
  open_gate();
  EXPECT_EQ(receive(client, 64).echoes, 64);
  server.expect_clean_end();
  EXPECT_EQ(server.reason("shed.no_slot"), 1u);
}

// Slots, socket buffer and 1,000 more: the counters account for every datagram that is lost.
TEST_F(Shed, BurstBeyondSlotsAndSocketBuffer) {
  for (const char* policy : {"shed", "block"}) {
    SCOPED_TRACE(policy);
    Environment environment = gated(policy, 64);
    environment["CPSS_SOCKET_BUFFER"] = "64KiB";
    ServerProcess server(program::kTestServer, environment);
    FloodAccount account(server);
    Flood flood(server.address(), 1);
    const std::string payload(256, 'x');
    // The buffer, doubled by the kernel, holds less than 1,000 of these.
    account.add(flood.send(64 + 1000 + 1000, std::as_bytes(std::span(payload))).datagrams);
    wait_until_received(server, 64);
    std::this_thread::sleep_for(200ms);
    open_gate();
    account.wait_until_all_taken();
    server.expect_clean_end();
    account.expect_all_accounted();
    EXPECT_EQ(server.ledger("received"), server.ledger("answered") + server.ledger("shed"));
    if (std::string(policy) == "block") {
      EXPECT_GT(server.ledger("kernel_dropped"), 0u);
      EXPECT_EQ(server.ledger("shed"), 0u);
    } else {
      EXPECT_GT(server.ledger("shed"), 0u);
    }
  }
}

bool real_time_permitted() {
  bool permitted = false;
  std::thread([&] {
    sched_param parameters{};
    parameters.sched_priority = 1;
    permitted = pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters) == 0;
  }).join();
  return permitted;
}

// A receiver in the real-time class, with all lanes on one CPU: the other lanes still get on, and
// main too.
TEST_F(Shed, F06RealTimeReceiverOnOneCpu) {
  if (!real_time_permitted()) GTEST_SKIP() << "no permission for the real-time class";
  for (const char* policy : {"shed", "block"}) {
    for (const char* slots : {"8", "1024"}) {
      SCOPED_TRACE(testing::Message() << policy << ' ' << slots);
      ServerProcess server(
          {"/usr/bin/taskset", "-c", std::to_string(test::first_allowed_cpu()), program::kServer},
          {{"CPSS_SERVICE", "work"},
           {"CPSS_WORK", "fixed:200;burn"},
           {"CPSS_QSLOTS", slots},
           {"CPSS_OVERLOAD", policy},
           {"CPSS_RECV_THREADS_RT", "10"},
           {"CPSS_RT_ALLOW_SMALL", "1"}});
      FloodAccount account(server);
      EndlessFlood flood(server.address());
      std::uint64_t answered = 0;
      for (int look = 0; look < 4; ++look) {
        std::this_thread::sleep_for(500ms);
        const nlohmann::json now = server.stats();
        EXPECT_EQ(now.at("state"), "live");
        EXPECT_LT(now.at("heartbeat_age_s"), 3.0);
        EXPECT_TRUE(eventually([&] { return server.ledger("answered") > answered; }))
            << "nothing is answered meanwhile";
        answered = server.ledger("answered");
      }
      // The flood needs CPUs, too, and other programs may have them.
      EXPECT_TRUE(eventually([&] {
        return server.ledger("kernel_dropped") + server.ledger("shed") > 0;
      })) << "that is no overload";
      account.add(flood.end());
      account.wait_until_all_taken();
      server.expect_clean_end();
      account.expect_all_accounted();
      EXPECT_EQ(server.ledger("received"), server.ledger("answered") + server.ledger("shed"));
    }
  }
}

// --- what a client sees ---

// The server is stopped while requests pile up, and then has one slot for them.
class BusyLookup : public Shed {
 protected:
  static constexpr int kRequests = 300;

  void ask(ServerProcess& server, UdpClient& client, std::size_t size) {
    server.process().signal(SIGSTOP);
    for (int i = 1; i <= kRequests; ++i)
      ASSERT_EQ(client.send(lookup_request("+441", static_cast<unsigned>(i), size)), 0);
    server.process().signal(SIGCONT);
  }
};

TEST_F(BusyLookup, SaysSoForTheTransactionAndNeverLongerThanAsked) {
  constexpr std::size_t kBytes = 24;  // too short for a row
  ServerProcess server(program::kServer, {{"CPSS_QSLOTS", "1"},
                                          {"CPSS_DISPATCH", "queued"},
                                          {"CPSS_OVERLOAD", "shed"},
                                          {"CPSS_BUSY_RATE", "10000000"},
                                          {"CPSS_TRUSTED", "192.0.2.0/24"}});
  UdpClient client(server.address());
  ask(server, client, kBytes);
  std::set<std::uint64_t> transactions;
  unsigned busy = 0;
  for (int i = 0; i < kRequests; ++i) {
    const auto reply = client.receive();
    ASSERT_TRUE(reply) << i;
    EXPECT_EQ(reply->size(), kBytes) << "L01: bytes out above bytes in";
    const auto header = native::read_header(std::as_bytes(std::span(*reply)));
    ASSERT_TRUE(header);
    EXPECT_EQ(header->kind, static_cast<std::uint8_t>(native::Kind::reply));
    EXPECT_TRUE(transactions.insert(header->transaction).second) << "answered twice";
    if (header->code == static_cast<std::uint16_t>(native::ReplyCode::busy)) ++busy;
  }
  EXPECT_EQ(*transactions.begin(), 1u);
  EXPECT_EQ(*transactions.rbegin(), static_cast<unsigned>(kRequests));
  server.expect_clean_end();
  EXPECT_GT(busy, 0u);
  EXPECT_EQ(server.reason("shed.no_slot"), busy);
  EXPECT_EQ(busy_replies(server), busy);
  EXPECT_EQ(server.ledger("answered"), kRequests - busy);
  EXPECT_EQ(server.ledger("sent"), static_cast<unsigned>(kRequests));
}

TEST_F(BusyLookup, ARateOfZeroSendsNone) {
  ServerProcess server(program::kServer, {{"CPSS_QSLOTS", "1"},
                                          {"CPSS_DISPATCH", "queued"},
                                          {"CPSS_OVERLOAD", "shed"},
                                          {"CPSS_BUSY_RATE", "0"}});
  UdpClient client(server.address());
  ask(server, client, 64);
  server.wait_until_idle(kRequests);
  server.expect_clean_end();
  EXPECT_GT(server.reason("shed.no_slot"), 0u);
  EXPECT_EQ(busy_replies(server), 0u);
  EXPECT_EQ(server.ledger("sent"), server.ledger("answered"));
}

TEST_F(BusyLookup, RepliesGoToTheFixedAddressToo) {
  UdpClient collector(SocketAddress(*IpAddress::parse("127.0.0.1"), 1));  // sends nothing
  ServerProcess server(program::kServer, {{"CPSS_QSLOTS", "1"},
                                          {"CPSS_DISPATCH", "queued"},
                                          {"CPSS_OVERLOAD", "shed"},
                                          {"CPSS_BUSY_RATE", "10000000"},
                                          {"CPSS_RESP_ADDR", collector.address().to_string()}});
  UdpClient client(server.address());
  ask(server, client, 64);
  for (int i = 0; i < kRequests; ++i) ASSERT_TRUE(collector.receive()) << i;
  EXPECT_FALSE(client.receive(50ms));
  server.expect_clean_end();
  EXPECT_GT(busy_replies(server), 0u);
}

// --- the end of a server that sheds ---

TEST_F(Shed, DrainUnderOverload) {
  for (int run = 0; run < 5; ++run) {
    SCOPED_TRACE(run);
    ServerProcess server(program::kTestServer, {{"CPSS_SERVICE", "slow"},
                                                {"TEST_SLEEP_US", "100"},
                                                {"CPSS_QSLOTS", "16"},
                                                {"CPSS_RECV_THREADS", run % 2 == 0 ? "1" : "2"},
                                                {"CPSS_OVERLOAD", "shed"}});
    EndlessFlood flood(server.address());
    wait_for([&] { return server.reason("shed.no_slot") > 0; });
    server.process().signal(run % 2 == 0 ? SIGTERM : SIGINT);
    EXPECT_EQ(server.process().wait(kPatience), 0) << server.process().errors();
    flood.end();
    server.expect_ledger_balances();
    EXPECT_EQ(server.ledger("received"), server.ledger("answered") + server.ledger("shed"));
    EXPECT_EQ(server.ledger("in_flight"), 0u);
    EXPECT_EQ(server.stats().at("state"), "stopped");
  }
}

TEST_F(Shed, SecondSignalUnderOverload) {
  constexpr std::uint64_t kSlots = 16;
  ServerProcess server(program::kTestServer, gated("shed", kSlots));
  EndlessFlood flood(server.address());
  wait_for([&] { return server.reason("shed.no_slot") > 0; });
  server.process().signal(SIGINT);
  std::this_thread::sleep_for(100ms);
  EXPECT_TRUE(server.process().running());
  server.process().signal(SIGINT);
  EXPECT_EQ(server.process().wait(kPatience), 1) << server.process().errors();
  flood.end();
  server.expect_ledger_balances();
  EXPECT_EQ(server.reason("failed.forced_end"), kSlots);
  EXPECT_EQ(server.ledger("received"), kSlots + server.ledger("shed"));
  EXPECT_EQ(server.ledger("in_flight"), 0u);
}

}  // namespace
}  // namespace cpss
