// Workers and on-demand threads of the real server, seen from outside: which threads there are, how
// slow messages affect short ones, and the end of the server while they run.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/support/eventually.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;
// The on-demand threads that exist now, by thread id.
std::set<pid_t> on_demand_threads(const ServerProcess& server) {
  std::set<pid_t> ids;
  std::error_code gone;  // a thread may end meanwhile
  const std::filesystem::path tasks = "/proc/" + std::to_string(server.pid()) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks, gone)) {
    std::ifstream comm(task.path() / "comm");
    std::string name;
    if (std::getline(comm, name) && name.starts_with("demand-"))
      ids.insert(std::stoi(task.path().filename()));
  }
  return ids;
}

// Each on-demand thread has ended with the one message for which it was started.
void expect_one_message_a_thread(const ServerProcess& server) {
  const nlohmann::json on_demand = server.stage("on_demand");
  EXPECT_EQ(on_demand.at("threads_started"), on_demand.at("entered"));
  EXPECT_EQ(on_demand.at("threads"), 0) << "now";
  EXPECT_EQ(server.stage("worker").at("entered").get<std::uint64_t>() +
                on_demand.at("entered").get<std::uint64_t>(),
            server.stage("service").at("deferred").get<std::uint64_t>());
}

// Messages that begin with '!' are deferred, and stay with their threads while the gate is closed.
class OnDemand : public testing::Test {
 protected:
  static constexpr int kMax = 3;

  OnDemand() { close_gate(); }
  void close_gate() const { write_file(gate_, ""); }
  void open_gate() const { unlink(gate_.c_str()); }
  Environment environment(int workers = 1) const {
    return {{"CPSS_SERVICE", "gated-deferral"},
            {"TEST_GATE", gate_},
            {"CPSS_WORKER_THREADS", std::to_string(workers)},
            {"CPSS_ONDEMAND_THREADS", std::to_string(kMax)}};
  }
  static void send_slow(UdpClient& client, int count) {
    for (int i = 0; i < count; ++i) ASSERT_EQ(client.send("!slow " + std::to_string(i)), 0);
  }
  static void expect_slow_replies(UdpClient& client, int count) {
    std::set<std::string> replies;
    for (int i = 0; i < count; ++i) replies.insert(client.receive(kPatience).value_or("none"));
    EXPECT_EQ(replies.size(), static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) EXPECT_TRUE(replies.contains("!slow " + std::to_string(i)));
  }
  // The worker and all on-demand threads are inside a message, and two more messages wait.
  static void fill(const ServerProcess& server, UdpClient& client) {
    send_slow(client, kInside);
    ASSERT_TRUE(eventually([&] { return on_demand_threads(server).size() == kMax; }));
    ASSERT_TRUE(eventually([&] { return server.stage("worker").at("queue_depth") == 2; }));
    server.wait_until_inside(kInside);
  }
  static constexpr int kInside = 1 + kMax + 2;

  TemporaryFolder folder_;
  const std::string gate_ = folder_.file("gate");
};

TEST_F(OnDemand, ThreadsComeAndGo) {
  ServerProcess server(program::kTestServer, environment());
  UdpClient client(server.address());
  std::set<pid_t> seen;
  for (int round = 0; round < 3; ++round) {
    close_gate();
    fill(server, client);
    const std::set<pid_t> now = on_demand_threads(server);
    EXPECT_EQ(now.size(), static_cast<std::size_t>(kMax));
    for (const pid_t id : now)
      EXPECT_TRUE(seen.insert(id).second) << "a thread of an earlier round";
    server.expect_ledger_balances();
    open_gate();
    expect_slow_replies(client, kInside);
    EXPECT_TRUE(eventually([&] { return on_demand_threads(server).empty(); }));
  }
  server.wait_until_idle(3 * kInside);
  EXPECT_EQ(server.stage("on_demand").at("threads_max"), kMax);
  EXPECT_GE(server.stage("on_demand").at("threads_started"), seen.size());
  server.expect_clean_end();
  expect_one_message_a_thread(server);
}

TEST_F(OnDemand, NoneWhileAWorkerIsIdle) {
  ServerProcess server(program::kTestServer, environment(4));
  UdpClient client(server.address());
  send_slow(client, 3);
  ASSERT_TRUE(eventually([&] { return server.stage("worker").at("entered") == 3; }));
  std::this_thread::sleep_for(50ms);
  EXPECT_TRUE(on_demand_threads(server).empty());
  open_gate();
  expect_slow_replies(client, 3);
  server.expect_clean_end();
  EXPECT_EQ(server.stage("on_demand").at("threads_started"), 0);
}

TEST_F(OnDemand, SlowMessagesDoNotHoldUpShortOnes) {
  ServerProcess server(program::kTestServer, environment());
  UdpClient slow(server.address());
  fill(server, slow);
  UdpClient client(server.address());
  for (int i = 0; i < 100; ++i) {
    const std::string request = "short " + std::to_string(i);
    ASSERT_EQ(client.ask(request), request);
  }
  server.wait_until_inside(kInside);
  server.expect_ledger_balances();
  open_gate();
  expect_slow_replies(slow, kInside);
  server.expect_clean_end();
}

TEST_F(OnDemand, ASignalWaitsForThem) {
  ServerProcess server(program::kTestServer, environment());
  UdpClient client(server.address());
  fill(server, client);
  server.process().signal(SIGTERM);
  std::this_thread::sleep_for(200ms);
  EXPECT_TRUE(server.process().running());
  open_gate();
  expect_slow_replies(client, kInside);
  EXPECT_EQ(server.process().wait(kPatience), 0) << server.process().errors();
  server.expect_ledger_balances();
  EXPECT_EQ(server.ledger("answered"), static_cast<unsigned>(kInside));
  expect_one_message_a_thread(server);
}

TEST_F(OnDemand, ASecondSignalBooksWhatTheyHaveAsFailed) {
  ServerProcess server(program::kTestServer, environment());
  UdpClient client(server.address());
  fill(server, client);
  server.process().signal(SIGTERM);
  std::this_thread::sleep_for(200ms);
  server.process().signal(SIGTERM);
  EXPECT_EQ(server.process().wait(kPatience), 1) << server.process().errors();
  server.expect_ledger_balances();
  EXPECT_EQ(server.reason("failed.forced_end"), static_cast<unsigned>(kInside));
  EXPECT_EQ(server.ledger("in_flight"), 0u);
  EXPECT_THAT(server.process().errors(), testing::HasSubstr("forced end"));
}

TEST_F(OnDemand, AServerThatIsKilledLeavesAReadableRegion) {
  ServerProcess server(program::kTestServer, environment());
  UdpClient client(server.address());
  fill(server, client);
  server.process().signal(SIGKILL);
  EXPECT_EQ(server.process().wait(kPatience), 128 + SIGKILL);
  const Finished getstat = run_program({program::kGetstat, "--file", server.stats_file()});
  EXPECT_EQ(getstat.code, 3) << getstat.output << getstat.errors;
  EXPECT_EQ(server.stats().at("state"), "stale");
  EXPECT_EQ(server.ledger("received"), static_cast<unsigned>(kInside));
  EXPECT_EQ(server.ledger("in_flight"), static_cast<unsigned>(kInside));
  EXPECT_EQ(server.ledger("residual"), 0u);
}

TEST_F(OnDemand, QueuesInSharedMemoryWorkAsWell) {
  Environment environment = this->environment();
  environment["CPSS_SYNCH_PROCESS"] = "1";
  ServerProcess server(program::kTestServer, environment);
  UdpClient client(server.address());
  fill(server, client);
  open_gate();
  expect_slow_replies(client, kInside);
  server.expect_clean_end();
  expect_one_message_a_thread(server);
}

// The worker queue has room for two: the other messages wait for it, or are shed.
TEST_F(OnDemand, AFullWorkerQueueMakesServiceWait) {
  Environment environment = this->environment();
  environment["CPSS_WORKER_QUEUE"] = "2";
  ServerProcess server(program::kTestServer, environment);
  UdpClient client(server.address());
  fill(server, client);
  for (int i = 0; i < 10; ++i) ASSERT_EQ(client.send("!more"), 0);
  ASSERT_TRUE(eventually([&] { return server.ledger("received") == kInside + 10u; }));
  EXPECT_EQ(server.stage("service").at("deferred"), kInside);
  server.wait_until_inside(kInside + 10u);
  server.expect_ledger_balances();
  open_gate();
  for (int i = 0; i < kInside + 10; ++i) ASSERT_TRUE(client.receive(kPatience)) << i;
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), kInside + 10u);
  expect_one_message_a_thread(server);
}

TEST_F(OnDemand, AFullWorkerQueueIsShed) {
  Environment environment = this->environment();
  environment["CPSS_WORKER_QUEUE"] = "2";
  environment["CPSS_OVERLOAD"] = "shed";
  ServerProcess server(program::kTestServer, environment);
  UdpClient slow(server.address());
  // One by one, until all are inside, so that none is shed before that.
  for (int i = 0; i < kInside; ++i) {
    ASSERT_EQ(slow.send("!slow " + std::to_string(i)), 0);
    const auto threads = static_cast<std::size_t>(std::clamp(i, 0, kMax));
    ASSERT_TRUE(eventually([&] {
      return server.stage("service").at("deferred") == i + 1 &&
             server.stage("worker").at("entered") == 1 &&
             on_demand_threads(server).size() == threads;
    })) << i;
  }
  UdpClient client(server.address());
  for (int i = 0; i < 10; ++i) ASSERT_EQ(client.send("!more"), 0);
  EXPECT_EQ(client.ask("short"), "short");
  ASSERT_TRUE(eventually([&] { return server.ledger("shed") == 10; }));
  EXPECT_EQ(server.reason("shed.worker_queue_full"), 10u);
  open_gate();
  expect_slow_replies(slow, kInside);
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), kInside + 1u);
}

// Long messages at random, and a thread that reads the state all the while.
TEST(OnDemandUnderLoad, NeverMoreThreadsThanMaxAndTheLedgerHoldThroughout) {
  constexpr std::size_t kMax = 4;
  const std::string work = "bimodal:10,60000,0.3;sleep;defer=100";
  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "work"},
                                          {"CPSS_WORK", work},
                                          {"CPSS_WORKER_THREADS", "1"},
                                          {"CPSS_ONDEMAND_THREADS", std::to_string(kMax)}});
  std::atomic<bool> ended = false;
  std::set<pid_t> seen;
  std::size_t max = 0;
  std::thread watcher([&] {
    while (!ended) {
      const std::set<pid_t> now = on_demand_threads(server);
      max = std::max(max, now.size());
      seen.insert(now.begin(), now.end());
      std::this_thread::sleep_for(1ms);
    }
  });
  Program blast({program::kBlast, "-p", std::to_string(server.port()), "--service", "work",
                 "--work", work, "--count", "300", "-q", "40", "-c", "4", "--json"});
  while (blast.running()) server.expect_ledger_balances();
  EXPECT_EQ(blast.wait(kPatience), 0) << blast.output() << blast.errors();
  server.wait_until_idle(300);
  ended = true;
  watcher.join();
  EXPECT_LE(max, kMax);
  EXPECT_GE(seen.size(), 1u);
  EXPECT_LE(seen.size(), server.stage("on_demand").at("threads_started").get<std::size_t>());
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), 300u);
  expect_one_message_a_thread(server);
}

// Deferred work takes no time here: workers and threads come, go and miss each other all the time.
TEST(OnDemandUnderLoad, ThousandsOfShortDeferredMessages) {
  ServerProcess server(program::kServer, {{"CPSS_SERVICE", "echo"},
                                          {"CPSS_DEFER", "all"},
                                          {"CPSS_SERVICE_THREADS", "2"},
                                          {"CPSS_WORKER_THREADS", "2"},
                                          {"CPSS_WORKER_QUEUE", "3"},
                                          {"CPSS_ONDEMAND_THREADS", "2"}});
  const Finished blast =
      run_program({program::kBlast, "-p", std::to_string(server.port()), "--service", "echo",
                   "--count", "20000", "-c", "4", "-q", "200", "--json"},
                  {}, 120s);
  EXPECT_EQ(blast.code, 0) << blast.output << blast.errors;
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), 20'000u);
  EXPECT_LE(server.stage("worker").at("queue_high_water"), 3);
  expect_one_message_a_thread(server);
}

TEST(OnDemandUnderLoad, ASignalAnswersAllThatWasReceived) {
  for (int run = 0; run < 5; ++run) {
    SCOPED_TRACE(run);
    ServerProcess server(program::kServer, {{"CPSS_SERVICE", "work"},
                                            {"CPSS_WORK", "fixed:1000;sleep;defer=100"},
                                            {"CPSS_WORKER_THREADS", "2"},
                                            {"CPSS_ONDEMAND_THREADS", "2"}});
    UdpClient client(server.address());
    for (int i = 0; i < 200; ++i) ASSERT_EQ(client.send(std::string(16, 'k')), 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(run * 5));
    server.expect_clean_end();
    EXPECT_EQ(server.ledger("answered"), server.ledger("received"));
    expect_one_message_a_thread(server);
  }
}

}  // namespace
}  // namespace cpss
