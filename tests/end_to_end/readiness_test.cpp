// Messages to a service manager: that the server is ready, that its lanes make progress, and that
// it ends; and the log's lines if the manager does not hear them.
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/end_to_end/every_model.h"
#include "tests/end_to_end/gate_file.h"
#include "tests/end_to_end/notify_socket.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/support/eventually.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr auto kWatchdog = 600ms;
const std::string kAlive = "WATCHDOG=1";

std::size_t times(const std::string& part, const std::string& text) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++count;
  return count;
}

TEST(Readiness, IsToldWhenTheServerIsReadyAndNotBefore) {
  const TemporaryFolder folder;
  const NotifySocket manager;
  const std::string numbers = folder.file("numbers");
  ASSERT_EQ(mkfifo(numbers.c_str(), 0600), 0);
  Program server({program::kServer}, {{"CPSS_NUMBERS", numbers},
                                      {"CPSS_LISTEN", "127.0.0.1:0"},
                                      {"CPSS_STATS_FILE", folder.file("stats")},
                                      {"NOTIFY_SOCKET", manager.path()}});
  // The server reads its data, and does not come to the end of them.
  int writer = -1;
  ASSERT_TRUE(eventually([&] {
    writer = open(numbers.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    return writer >= 0;
  })) << server.errors();
  EXPECT_EQ(manager.hear(500ms), std::nullopt);
  const std::string data = "prefix,gateway\n1,a\n";
  EXPECT_EQ(write(writer, data.data(), data.size()), static_cast<ssize_t>(data.size()));
  close(writer);

  EXPECT_THAT(manager.hear().value_or("nothing"),
              testing::StartsWith("READY=1\nSTATUS=ready: service lookup on 127.0.0.1:"));
  const nlohmann::json stats = program::stats_of(folder.file("stats"));
  EXPECT_EQ(stats.at("state"), "live");
  EXPECT_EQ(stats.at("pid"), server.pid());
  server.signal(SIGTERM);
  EXPECT_EQ(manager.hear(), "STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=10000000");
  EXPECT_EQ(server.wait(20s), 0);
}

// The queue may be full of other services' messages.
TEST(Readiness, IsToldAgainWhereTheManagersQueueIsFull) {
  const NotifySocket manager;
  const std::size_t queued = manager.fill();
  ServerProcess server(program::kServer, {{"NOTIFY_SOCKET", manager.path()}});
  server.wait_until_logged("READY=1 did not reach");
  for (std::size_t i = 0; i < queued; ++i) EXPECT_EQ(manager.hear(), "");
  EXPECT_THAT(manager.hear().value_or("nothing"), testing::StartsWith("READY=1\nSTATUS=ready: "));
  server.wait_until_logged("has heard now");
  server.expect_clean_end();
}

TEST(Readiness, AManagerThatCannotBeToldIsNamedInTheLog) {
  ServerProcess server(program::kServer, {{"NOTIFY_SOCKET", "vsock:2:1234"}});
  server.expect_clean_end();
  EXPECT_THAT(server.process().errors(), HasSubstr("NOTIFY_SOCKET: 'vsock:2:1234' is not the"));
}

TEST(Readiness, AServerThatDoesNotStartIsNotReady) {
  const NotifySocket manager;
  const ServerProcess first(program::kServer, {});
  const TemporaryFolder folder;
  EXPECT_EQ(
      run_refused({program::kServer},
                  {{"CPSS_LISTEN", first.address().to_string()}, {"NOTIFY_SOCKET", manager.path()}},
                  folder.file("stats"))
          .code,
      69);
  EXPECT_EQ(manager.hear(0ms), std::nullopt);
}

// The log reports lost messages once, not each of them.
TEST(Readiness, AManagerThatDoesNotHearIsNamedInTheLogOnce) {
  const TemporaryFolder folder;
  ServerProcess server(program::kServer,
                       {{"NOTIFY_SOCKET", folder.file("nobody")}, {"WATCHDOG_USEC", "200000"}});
  server.expect_clean_end();
  const std::string log = server.process().errors();
  EXPECT_THAT(log, HasSubstr("READY=1 did not reach the service manager (NOTIFY_SOCKET): No such "
                             "file or directory"));
  EXPECT_EQ(times("did not reach the service manager", log), 1u) << log;
}

// A server under the manager's watchdog, with a service that stands still while the gate is closed.
class Watched : public testing::Test {
 protected:
  Environment watched(Environment more) const {
    more.emplace("TEST_GATE", gate_.path());
    more.emplace("NOTIFY_SOCKET", manager_.path());
    more.emplace("WATCHDOG_USEC", std::to_string(std::chrono::microseconds(kWatchdog).count()));
    return more;
  }
  // Three messages: the third one comes after two looks at the present state.
  void expect_alive() const {
    manager_.forget();
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(manager_.hears(kAlive, 10s)) << i;
  }

  const GateFile gate_;
  const NotifySocket manager_;
};

// A process for one message is no lane: other lanes go on.
std::vector<ModelUnderTest> models_of_lanes() {
  std::vector<ModelUnderTest> models = every_model();
  std::erase_if(models, [](const ModelUnderTest& model) { return model.name == "mp_fork"; });
  return models;
}

class WatchedLanes : public Watched, public testing::WithParamInterface<ModelUnderTest> {};
INSTANTIATE_TEST_SUITE_P(All, WatchedLanes, testing::ValuesIn(models_of_lanes()), model_name);

TEST_P(WatchedLanes, ALaneThatHangsIsNotAlive) {
  ServerProcess server(program::kTestServer,
                       under(GetParam(), watched({{"CPSS_SERVICE", "gated"}})));
  expect_alive();
  UdpClient client(server.address());
  ASSERT_EQ(client.send("wait"), 0);
  server.wait_until_logged("makes no progress");
  manager_.forget();
  EXPECT_EQ(manager_.hear(2 * kWatchdog), std::nullopt);
  gate_.open();
  EXPECT_EQ(client.receive(), "wait");
  expect_alive();
  server.expect_clean_end();
  EXPECT_EQ(times("makes no progress", server.process().errors()), 1u);
}

class WatchedModels : public Watched, public testing::WithParamInterface<ModelUnderTest> {};
INSTANTIATE_TEST_SUITE_P(All, WatchedModels, testing::ValuesIn(every_model()), model_name);

// A drain may take longer than the manager's time to stop, as long as the server asks for more.
TEST_P(WatchedModels, ADrainThatTakesLongAsksForMoreTime) {
  ServerProcess server(program::kTestServer,
                       under(GetParam(), {{"CPSS_SERVICE", "gated"},
                                          {"CPSS_DRAIN_TIMEOUT", "60"},
                                          {"TEST_GATE", gate_.path()},
                                          {"NOTIFY_SOCKET", manager_.path()}}));
  UdpClient client(server.address());
  ASSERT_EQ(client.send("wait"), 0);
  EXPECT_TRUE(eventually([&] { return server.ledger("in_flight") > 0; }));
  manager_.forget();
  server.process().signal(SIGTERM);
  EXPECT_EQ(manager_.hear(), "STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=10000000");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(manager_.hear(), "EXTEND_TIMEOUT_USEC=10000000");
  gate_.open();
  EXPECT_EQ(client.receive(), "wait");
  server.expect_to_end_well();
}

// The peer may be silent, or the network card may take no more.
TEST_P(WatchedModels, RepliesThatWaitForRoomDoNotHangTheServer) {
  ServerProcess server(program::kTestServer,
                       under(GetParam(), watched({{"CPSS_SERVICE", "echo"},
                                                  {"CPSS_SEND_WAIT_MS", "60000"},
                                                  {"TEST_NO_ROOM", gate_.path()}})));
  UdpClient client(server.address());
  for (int i = 0; i < 5; ++i) ASSERT_EQ(client.send("wait"), 0);
  server.wait_until_inside(5);
  expect_alive();
  expect_alive();
  gate_.open();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.receive(), "wait");
  server.expect_clean_end();
  EXPECT_EQ(times("makes no progress", server.process().errors()), 0u);
  EXPECT_EQ(server.ledger("answered"), 5u);
}

// Also without workers: where there need not be any, the lane processes deferred messages.
TEST_P(WatchedModels, AServiceThatTakesItsTimeWithADeferredMessageDoesNotHang) {
  ServerProcess server(program::kTestServer,
                       under(GetParam(), watched({{"CPSS_SERVICE", "gated-deferral"}})));
  UdpClient client(server.address());
  ASSERT_EQ(client.send("!wait"), 0);
  EXPECT_TRUE(eventually([&] { return server.ledger("in_flight") > 0; }));
  expect_alive();
  gate_.open();
  EXPECT_EQ(client.receive(), "!wait");
  server.expect_clean_end();
}

TEST_F(Watched, WorkersThatTakeTheirTimeAndALaneThatWaitsForThemDoNotHang) {
  ServerProcess server(program::kTestServer, watched({{"CPSS_SERVICE", "gated-deferral"},
                                                      {"CPSS_WORKER_THREADS", "1"},
                                                      {"CPSS_WORKER_QUEUE", "1"}}));
  UdpClient client(server.address());
  for (int i = 0; i < 5; ++i) ASSERT_EQ(client.send("!wait"), 0);
  EXPECT_TRUE(eventually([&] { return server.ledger("in_flight") == 5; }));
  expect_alive();
  gate_.open();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.receive(), "!wait");
  server.expect_clean_end();
}

// A process cannot be started, for however long: that is no lane that hangs.
TEST_F(Watched, AMessageThatHasToWaitForItsProcessDoesNotHangTheServer) {
  // fork(2) fails; threads are started by another call.
  ServerProcess server({program::kFailingCalls, std::to_string(EAGAIN), std::to_string(SYS_clone),
                        program::kTestServer},
                       watched({{"CPSS_SERVICE", "echo"},
                                {"CPSS_MODEL", "mp"},
                                {"CPSS_MP", "fork"},
                                {"CPSS_DRAIN_TIMEOUT", "1"}}));
  UdpClient client(server.address());
  ASSERT_EQ(client.send("wait"), 0);
  EXPECT_TRUE(eventually([&] { return server.stats().at("state") == "degraded"; }));
  EXPECT_EQ(server.stats().at("troubles").at(0).at("name"), "process_start");
  expect_alive();
  expect_alive();
  // A pause must not outlast the drain.
  server.process().signal(SIGTERM);
  EXPECT_EQ(server.process().wait(20s), 1);
  EXPECT_EQ(server.reason("failed.forced_end"), 1u);
  server.expect_ledger_balances();
  EXPECT_EQ(times("makes no progress", server.process().errors()), 0u);
}

// The processes live for a moment each, and answer nothing: such a server is not alive.
TEST_F(Watched, ProcessesThatDieAgainAndAgainAreNotAlive) {
  ServerProcess server(
      program::kTestServer,
      watched({{"CPSS_SERVICE", "crasher"}, {"CPSS_MODEL", "mp"}, {"CPSS_LANES", "1"}}));
  UdpClient client(server.address());
  EXPECT_EQ(client.ask("x"), "x");
  expect_alive();
  std::atomic<bool> over = false;
  std::thread killer([&] {
    UdpClient other(server.address());
    while (!over) {
      other.send("!");
      std::this_thread::sleep_for(10ms);
    }
  });
  server.wait_until_logged("all processes die before they have ended a message");
  EXPECT_EQ(server.stats().at("state"), "degraded");
  manager_.forget();
  EXPECT_EQ(manager_.hear(2 * kWatchdog), std::nullopt);
  over = true;
  killer.join();
  EXPECT_TRUE(eventually([&] { return client.ask("y") == "y"; }));
  expect_alive();
  EXPECT_TRUE(eventually([&] { return server.stats().at("state") == "live"; }));
  server.expect_clean_end();
}

// A server with one place that serves is alive, even if the processes in other places die.
TEST_F(Watched, AProcessThatServesBesideThoseThatDieIsAlive) {
  ServerProcess server(program::kTestServer, watched({{"CPSS_SERVICE", "crasher"},
                                                      {"CPSS_MODEL", "mp"},
                                                      {"CPSS_LANES", "2"},
                                                      {"CPSS_SOCKETS", "reuseport"},
                                                      {"CPSS_STEERING", "hash"}}));
  // Each peer has its lane: a peer whose messages the first lane receives, and one of the other
  // lane.
  const auto first_lane = [&] { return server.stats().at("receivers").at(0).at("received"); };
  std::unique_ptr<UdpClient> good;
  std::unique_ptr<UdpClient> bad;
  for (std::uint64_t asked = 0; asked < 100 && (!good || !bad); ++asked) {
    auto client = std::make_unique<UdpClient>(server.address());
    const std::uint64_t before = first_lane();
    ASSERT_EQ(client->ask("x"), "x");
    server.wait_until_idle(asked + 1);
    (first_lane() > before ? bad : good) = std::move(client);
  }
  ASSERT_TRUE(good && bad);
  const std::jthread killer([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      bad->send("!");
      std::this_thread::sleep_for(10ms);
    }
  });
  ASSERT_TRUE(eventually([&] { return server.stats().at("processes").at("lost") >= 6; }));
  EXPECT_EQ(good->ask("y"), "y");
  EXPECT_TRUE(eventually([&] { return server.stats().at("state") == "degraded"; }));
  expect_alive();
  expect_alive();
  EXPECT_EQ(good->ask("z"), "z");
}

}  // namespace
}  // namespace cpss
