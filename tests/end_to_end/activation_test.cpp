// A server that gets its sockets from a service manager: under every model it answers at all of
// them, ends in silence, and leaves the datagrams that it does not read to the next start.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/end_to_end/every_model.h"
#include "tests/end_to_end/gate_file.h"
#include "tests/end_to_end/held_sockets.h"
#include "tests/end_to_end/notify_socket.h"
#include "tests/end_to_end/peers.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/support/eventually.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::uint64_t in_ledger(const std::string& stats_file, const std::string& name) {
  return program::stats_of(stats_file).at("ledger").at(name);
}

// Asks at each of several sockets in bursts, with pauses of random length up to `longest`, until
// finish(). Then it waits for the missing replies, as long as they come.
class RestlessClient {
 public:
  RestlessClient(const HeldSockets& sockets, std::size_t count, std::chrono::milliseconds longest)
      : pause_(0, static_cast<int>(longest.count())) {
    for (std::size_t i = 0; i < count; ++i)
      peers_.push_back({std::make_unique<UdpClient>(sockets.address(i))});
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }

  void finish() { thread_.request_stop(); }
  bool done() const { return done_; }
  // To be called once it is done.
  std::uint64_t sent() const { return sent_; }
  void expect_one_reply_to_each() const {
    EXPECT_EQ(replies_.size(), sent_);
    for (const auto& [reply, times] : replies_) EXPECT_EQ(times, 1) << reply;
  }

 private:
  struct Peer {
    std::unique_ptr<UdpClient> client;
    std::uint64_t unanswered = 0;
  };
  static constexpr std::uint64_t kBurst = 20;
  static constexpr std::uint64_t kMaxUnanswered = 100;  // these fit into a small buffer

  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (sent_ - replies_.size() + kBurst <= kMaxUnanswered) send_burst();
      const std::chrono::milliseconds pause(pause_(random_));
      receive_for(pause);
      receive_from(peers_.front(), pause);
    }
    receive_for(5s);
    for (Peer& peer : peers_) receive_from(peer, 0ms);  // no second one
    done_ = true;
  }
  void send_burst() {
    for (std::uint64_t i = 0; i < kBurst; ++i, ++sent_) {
      Peer& peer = peers_[sent_ % peers_.size()];
      EXPECT_EQ(peer.client->send("request " + std::to_string(sent_)), 0);
      ++peer.unanswered;
    }
  }
  // Receives as long as replies are missing and come in time.
  void receive_for(std::chrono::milliseconds longest) {
    for (Peer& peer : peers_)
      while (peer.unanswered > 0 && receive_from(peer, longest)) {
      }
  }
  bool receive_from(Peer& peer, std::chrono::milliseconds longest) {
    const auto reply = peer.client->receive(longest);
    if (!reply) return false;
    ++replies_[*reply];
    if (peer.unanswered > 0) --peer.unanswered;
    return true;
  }

  std::vector<Peer> peers_;
  std::mt19937 random_{1};
  std::uniform_int_distribution<int> pause_;
  std::uint64_t sent_ = 0;
  std::map<std::string, int> replies_;
  std::atomic<bool> done_ = false;
  std::jthread thread_;
};

class ActivationModels : public testing::TestWithParam<ModelUnderTest> {
 protected:
  Environment activated(Environment more) const {
    more.emplace("CPSS_SERVICE", "echo");
    more.emplace("CPSS_STATS_FILE", stats_file_);
    more.emplace("NOTIFY_SOCKET", manager_.path());
    return under(GetParam(), std::move(more));
  }

  // Runs several servers, one after the other, until the client is done: each starts when a
  // datagram waits in the sockets, and `end` brings it to its end.
  void serve(RestlessClient& client, const HeldSockets& sockets, const Environment& environment,
             const std::function<void(Program&)>& end) {
    constexpr int kStarts = 4;
    std::uint64_t answered = 0;
    for (int starts = 0; !client.done();) {
      if (!sockets.readable(20ms)) continue;
      Program server(sockets.hand_to({program::kServer}), environment);
      EXPECT_TRUE(manager_.hears("READY=1")) << server.errors();
      end(server);
      EXPECT_EQ(server.wait(kPatience), 0) << server.errors();
      EXPECT_EQ(run_program({program::kGetstat, "--verify", "--file", stats_file_}).code, 0);
      EXPECT_EQ(in_ledger(stats_file_, "answered"), in_ledger(stats_file_, "received"));
      answered += in_ledger(stats_file_, "answered");
      if (++starts == kStarts || HasFailure()) client.finish();
    }
    client.expect_one_reply_to_each();
    EXPECT_EQ(answered, client.sent());
    EXPECT_FALSE(sockets.readable());
  }

  const TemporaryFolder folder_;
  const std::string stats_file_ = folder_.file("stats");
  const NotifySocket manager_;
};

TEST_P(ActivationModels, AnswersAtEachOfItsSockets) {
  try {
    const UdpSocket probe(SocketAddress(IpAddress::parse("::1").value(), 0), {});
  } catch (const SocketError& error) {
    GTEST_SKIP() << error.what();
  }
  const HeldSockets sockets({"127.0.0.1", "::1", "127.0.0.2"});
  UdpClient early(sockets.address(2));
  ASSERT_EQ(early.send("before the start"), 0);
  ServerProcess server(sockets.hand_to({program::kServer}), activated({}));
  EXPECT_EQ(early.receive(), "before the start");
  for (std::size_t socket = 0; socket < 3; ++socket) {
    EXPECT_EQ(server.address(socket), sockets.address(socket));
    UdpClient client(sockets.address(socket),
                     SocketAddress(IpAddress::parse(socket == 1 ? "::1" : "127.0.0.1").value(), 0));
    EXPECT_EQ(client.ask("at " + std::to_string(socket)), "at " + std::to_string(socket));
    EXPECT_EQ(client.last_peer(), sockets.address(socket));
  }
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), 4u);
}

// Without the server's repairs time stamps would take the room of the address asked, the error
// queue would keep an idle server busy, and replies would wait, or be cut into pieces.
TEST_P(ActivationModels, AnswersWhateverItsSocketsWereGiven) {
  try {
    const UdpSocket probe(SocketAddress(IpAddress::parse("::1").value(), 0), {});
  } catch (const SocketError& error) {
    GTEST_SKIP() << error.what();
  }
  const HeldSockets sockets({"0.0.0.0", "::"});
  const int on = 1;
  const int segment = 5;
  for (std::size_t socket = 0; socket < 2; ++socket) {
    const int fd = sockets.descriptor(socket);
    ASSERT_EQ(::setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on), 0);
    ASSERT_EQ(::setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on), 0);
    ASSERT_EQ(::setsockopt(fd, IPPROTO_UDP, UDP_CORK, &on, sizeof on), 0);
    ASSERT_EQ(::setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment), 0);
  }
  ServerProcess server(sockets.hand_to({program::kServer}), activated({}));
  const SocketAddress v4(IpAddress::parse("127.0.0.1").value(), 0);
  for (std::size_t socket = 0; socket < 2; ++socket) {
    SocketAddress asked = v4;
    asked.set_port(sockets.address(socket).port());
    UdpClient client(asked, v4);
    EXPECT_EQ(client.ask("a request"), "a request") << server.process().errors();
    EXPECT_EQ(client.last_peer(), asked);
  }
  server.expect_clean_end();
  EXPECT_THAT(server.process().errors(),
              HasSubstr("inherited socket [::]:" + std::to_string(sockets.address(1).port()) +
                        ": SO_TIMESTAMPNS was set, and is not any more"));
  EXPECT_EQ(server.ledger("answered"), 2u);
}

// The process that gave the socket still has it, and may set its options while it is in use.
TEST_P(ActivationModels, CountsWhatTheKernelCouldNotSayOfADatagram) {
  try {
    const UdpSocket probe(SocketAddress(IpAddress::parse("::1").value(), 0), {});
  } catch (const SocketError& error) {
    GTEST_SKIP() << error.what();
  }
  const HeldSockets sockets({"::"});
  ServerProcess server(sockets.hand_to({program::kServer}), activated({}));
  const SocketAddress v4(IpAddress::parse("127.0.0.1").value(), 0);
  SocketAddress asked = v4;
  asked.set_port(sockets.address().port());
  UdpClient client(asked, v4);
  EXPECT_EQ(client.ask("a request"), "a request");
  const auto stamp = [&](int on) {
    ASSERT_EQ(::setsockopt(sockets.descriptor(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on), 0);
  };
  stamp(1);
  EXPECT_EQ(client.send("nobody knows where to"), 0);
  EXPECT_TRUE(eventually([&] { return server.reason("failed.control_cut") == 1; }))
      << server.stats().at("reasons");
  stamp(0);
  EXPECT_EQ(client.ask("and on"), "and on");
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), 2u);
}

INSTANTIATE_TEST_SUITE_P(All, ActivationModels, testing::ValuesIn(every_model()), model_name);

// Received requests are answered; the server does not read the rest, nor what comes in the drain.
TEST_P(ActivationModels, WhatIsLeftInTheSocketIsForTheNextStart) {
  const HeldSockets sockets({"127.0.0.1"});
  const GateFile gate;
  const Environment environment =
      activated({{"CPSS_SERVICE", "gated"}, {"TEST_GATE", gate.path()}, {"CPSS_QSLOTS", "4"}});
  Peers peers(sockets.address(), 1);
  peers.send(50);
  {
    ServerProcess server(sockets.hand_to({program::kTestServer}), environment);
    EXPECT_TRUE(eventually([&] { return server.ledger("in_flight") > 0; }));
    server.process().signal(SIGTERM);
    server.wait_until_draining();
    peers.send(10);
    gate.open();
    EXPECT_EQ(server.process().wait(kPatience), 0) << server.process().errors();
    server.expect_ledger_balances();
    EXPECT_LE(server.ledger("received"), 4u);
    EXPECT_EQ(server.ledger("answered"), server.ledger("received"));
    EXPECT_EQ(server.ledger("kernel_dropped"), 0u);
  }
  ServerProcess next(sockets.hand_to({program::kTestServer}), environment);
  EXPECT_EQ(peers.receive().echoes, 60u);
  next.expect_clean_end();
  EXPECT_GE(next.ledger("answered"), 56u);
}

TEST_P(ActivationModels, SilenceEndsItAgainAndAgainAndNothingIsLost) {
  const HeldSockets sockets({"127.0.0.1", "127.0.0.2"});
  RestlessClient client(sockets, 2, 250ms);
  serve(client, sockets, activated({{"CPSS_IDLE_EXIT", "0.05"}}), [](Program&) {});
}

TEST_P(ActivationModels, ASignalUnderTrafficEndsItAgainAndAgainAndNothingIsLost) {
  const HeldSockets sockets({"127.0.0.1", "127.0.0.2"});
  RestlessClient client(sockets, 2, 10ms);
  serve(client, sockets, activated({}), [this](Program& server) {
    EXPECT_TRUE(eventually([this] { return in_ledger(stats_file_, "received") > 0; }));
    server.signal(SIGTERM);
  });
}

class Activation : public testing::Test {
 protected:
  Finished refused(std::vector<std::string> command, Environment environment) const {
    const std::string stats_file = folder_.file("stats");
    Finished result = run_refused(std::move(command), std::move(environment), stats_file);
    EXPECT_EQ(result.code, 78) << result.errors;
    EXPECT_NE(access(stats_file.c_str(), F_OK), 0) << "a region was left behind";
    return result;
  }

  const TemporaryFolder folder_;
};

TEST_F(Activation, SocketsOfOurOwnAreRefused) {
  const HeldSockets sockets({"127.0.0.1"});
  for (const std::string model : {"seda", "symped", "mp"})
    EXPECT_THAT(refused(sockets.hand_to({program::kServer}),
                        {{"CPSS_MODEL", model}, {"CPSS_SOCKETS", "reuseport"}})
                    .errors,
                HasSubstr("CPSS_SOCKETS: 'reuseport' opens sockets of its own, and the service "
                          "manager has opened some (LISTEN_FDS)"))
        << model;
  EXPECT_THAT(
      refused(sockets.hand_to({"/usr/bin/env", "CPSS_LISTEN=127.0.0.1:0", program::kServer}), {})
          .errors,
      HasSubstr("CPSS_LISTEN: '127.0.0.1:0' is in the way of the sockets of the service "
                "manager (LISTEN_FDS)"));
}

TEST_F(Activation, OnlyAServerThatIsStartedAgainMayEndInSilence) {
  const std::string text = "is for servers that get their sockets from a service manager";
  EXPECT_THAT(refused({program::kServer}, {{"CPSS_IDLE_EXIT", "1"}}).errors, HasSubstr(text));
  // These sockets are meant for another process.
  const HeldSockets sockets({"127.0.0.1"});
  EXPECT_THAT(refused(sockets.hand_to({"/usr/bin/env", "LISTEN_PID=1", program::kServer}),
                      {{"CPSS_IDLE_EXIT", "1"}})
                  .errors,
              HasSubstr(text));
}

// Else the drain would take longer than it may, and the message be lost.
TEST_F(Activation, AMessageInsideIsNoSilence) {
  const HeldSockets sockets({"127.0.0.1"});
  const GateFile gate;
  UdpClient client(sockets.address());
  ASSERT_EQ(client.send("!slow"), 0);  // before the start: on a busy machine that takes its time
  ServerProcess server(sockets.hand_to({program::kTestServer}), {{"CPSS_SERVICE", "gated-deferral"},
                                                                 {"CPSS_WORKER_THREADS", "1"},
                                                                 {"TEST_GATE", gate.path()},
                                                                 {"CPSS_IDLE_EXIT", "0.5"},
                                                                 {"CPSS_DRAIN_TIMEOUT", "0.1"}});
  EXPECT_EQ(server.process().wait(2s), std::nullopt) << server.process().errors();
  gate.open();
  EXPECT_EQ(client.receive(), "!slow");
  EXPECT_EQ(server.process().wait(kPatience), 0) << server.process().errors();
  server.expect_ledger_balances();
  EXPECT_EQ(server.ledger("answered"), 1u);
}

TEST_F(Activation, ByTheManagersOwnTool) {
  const std::string tool = "/usr/bin/systemd-socket-activate";
  if (access(tool.c_str(), X_OK) != 0) GTEST_SKIP() << "needs systemd-socket-activate";
  SocketAddress address(IpAddress::parse("127.0.0.1").value(), 0);
  address = UdpSocket(address, {}).local_address();
  const std::string stats_file = folder_.file("stats");
  // The tool hands over no other variables.
  Program server({tool, "--datagram", "--listen=" + address.to_string(),
                  "--setenv=CPSS_SERVICE=echo", "--setenv=CPSS_IDLE_EXIT=0.5",
                  "--setenv=CPSS_STATS_FILE=" + stats_file, program::kServer});
  ASSERT_TRUE(eventually([&] {
    return server.errors().find("Listening on") != std::string::npos || !server.running();
  }));
  UdpClient client(address);
  EXPECT_EQ(client.ask("wake up"), "wake up") << server.errors();
  EXPECT_EQ(server.wait(kPatience), 0) << server.errors();
  EXPECT_EQ(run_program({program::kGetstat, "--verify", "--file", stats_file}).code, 0);
  EXPECT_EQ(in_ledger(stats_file, "answered"), 1u);
}

}  // namespace
}  // namespace cpss
