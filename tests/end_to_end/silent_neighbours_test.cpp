// Requests from addresses of the server's own network that no host has: replies to them stay in the
// kernel, and in the server's send buffer, for about three seconds. All other clients must get
// their replies all the same.
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/udp_socket.h"
#include "tests/end_to_end/every_model.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/net/inbox.h"
#include "tests/support/ip.h"
#include "tests/support/run_isolated.h"
#include "tests/support/sanitizers.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;
using test::ip;

constexpr std::size_t kRequestBytes = 256;

struct Family {
  const char* name;
  const char* server;
  const char* client;
  const char* listen;
};
constexpr Family kV4{"v4", "10.9.0.1", "10.9.0.9", "10.9.0.1:0"};
constexpr Family kV6{"v6", "fd09::1", "fd09::9", "[fd09::1]:0"};

// A socket of the calling thread's namespace that may send from addresses which this namespace does
// not have.
std::unique_ptr<UdpSocket> forger(const Family& family) {
  const bool v6 = !ip(family.server).is_v4();
  auto socket = std::make_unique<UdpSocket>(SocketAddress(ip(v6 ? "::" : "0.0.0.0"), 5000),
                                            UdpSocketOptions{});
  const int on = 1;
  EXPECT_EQ(::setsockopt(socket->descriptor(), v6 ? IPPROTO_IPV6 : IPPROTO_IP,
                         v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, &on, sizeof on),
            0);
  return socket;
}

// Sends `per_second` requests a second from `peers` addresses in turn, until it is destroyed.
class SilentPeers {
 public:
  SilentPeers(UdpSocket& socket, const Family& family, const SocketAddress& server,
              std::size_t peers, unsigned per_second)
      : thread_([&socket, &family, server, peers, per_second](const std::stop_token& stop) {
          const std::vector<std::byte> payload(kRequestBytes);
          LocalAddress source{ip(family.client)};
          const auto begin = std::chrono::steady_clock::now();
          for (std::size_t sent = 0; !stop.stop_requested(); ++sent) {
            std::this_thread::sleep_until(begin + sent * 1'000'000us / per_second);
            const std::size_t peer = sent % peers;
            source.ip.bytes[14] = static_cast<std::uint8_t>(10 + peer / 200);
            source.ip.bytes[15] = static_cast<std::uint8_t>(1 + peer % 200);
            const OutgoingDatagram request{payload.data(), payload.size(), &server, &source};
            socket.send({&request, 1});
          }
        }) {}

 private:
  std::jthread thread_;
};

// How a client asks the server, 50 ms apart, and how many of its requests have to be answered.
struct Asking {
  int asks = 20;
  std::chrono::milliseconds patience{200};
  int answered = 15;
  // Other programs may keep the CPUs from the server for longer than that, but not in every try.
  int tries = 5;
};

// Whether the reply comes in time; a reply to an earlier request does not count.
bool is_answered(UdpSocket& client, const SocketAddress& server,
                 std::chrono::milliseconds patience) {
  const auto begin = std::chrono::steady_clock::now();
  const std::string request = std::to_string(begin.time_since_epoch().count());
  const OutgoingDatagram datagram{reinterpret_cast<const std::byte*>(request.data()),
                                  request.size(), &server, nullptr};
  EXPECT_EQ(client.send({&datagram, 1}).error, 0);
  Inbox inbox(4, kRequestBytes);
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        begin + patience - std::chrono::steady_clock::now());
    const std::size_t filled =
        left.count() > 0 ? inbox.wait_and_receive(client, static_cast<int>(left.count())).filled
                         : 0;
    if (filled == 0) return false;
    for (std::size_t i = 0; i < filled; ++i)
      if (inbox.text(i) == request) return true;
  }
}

int answered(UdpSocket& client, const SocketAddress& server, const Asking& asking) {
  int count = 0;
  for (int i = 0; i < asking.asks; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    if (is_answered(client, server, asking.patience)) ++count;
    std::this_thread::sleep_until(begin + 50ms);
  }
  return count;
}

struct Flooding {
  const Family& family;
  std::size_t peers;
  unsigned per_second;
  std::chrono::milliseconds before;  // the client asks
  unsigned socket_buffer = 212'992;  // bytes, of the server
};

// The socket buffer is within the limit of every user; some 330 replies fill it.
void expect_that_others_are_answered(const Flooding& flooding, Environment environment,
                                     const Asking& asking = {}) {
  run_isolated(kServersInNamespace, [&] {
    OtherNamespace other;
    other.connect("here0", "there0");
    add_address("10.9.0.1/16", "here0");
    add_address("fd09::1/64", "here0");
    const Family& family = flooding.family;
    std::unique_ptr<UdpSocket> client;
    std::unique_ptr<UdpSocket> silent;
    other.inside([&] {
      add_address("10.9.0.9/16", "there0");
      add_address("fd09::9/64", "there0");
      client = std::make_unique<UdpSocket>(SocketAddress(ip(family.client), 0), UdpSocketOptions{});
      silent = forger(family);
    });
    environment.insert({{"CPSS_LISTEN", family.listen},
                        {"CPSS_SERVICE", "echo"},
                        {"CPSS_SOCKET_BUFFER", std::to_string(flooding.socket_buffer)}});
    ServerProcess server(program::kServer, environment);
    {
      const SilentPeers flood(*silent, family, server.address(), flooding.peers,
                              flooding.per_second);
      std::this_thread::sleep_for(flooding.before);
      std::vector<int> tries;
      do {
        tries.push_back(answered(*client, server.address(), asking));
      } while (tries.back() < asking.answered &&
               tries.size() < static_cast<std::size_t>(asking.tries));
      EXPECT_GE(tries.back(), asking.answered)
          << "of " << asking.asks << ", in " << testing::PrintToString(tries);
      // In the middle of the flood.
      server.expect_clean_end();
    }
    EXPECT_GT(server.reason("failed.send_no_room"), 0u) << "that was no flood";
    EXPECT_EQ(server.ledger("answered") + server.ledger("failed") + server.ledger("shed"),
              server.ledger("received"));
  });
}

// That this machine can make just now, and see the end of.
unsigned processes_per_second() {
  unsigned count = 0;
  const auto end = std::chrono::steady_clock::now() + 500ms;
  for (; std::chrono::steady_clock::now() < end; ++count) {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, nullptr, 0);
  }
  return 2 * count;
}

// A process for each message: a flood that takes all CPU time there is would show nothing but that.
// So it is slower where need be, and the buffer that it is to fill smaller in proportion.
Flooding for_model(const ModelUnderTest& model, Flooding flooding) {
  if (model.name != "mp_fork") return flooding;
  const unsigned affordable = std::max(processes_per_second() / 4, 20U);
  if (affordable >= flooding.per_second) return flooding;
  flooding.socket_buffer = flooding.socket_buffer / flooding.per_second * affordable;
  flooding.per_second = affordable;
  return flooding;
}

// The kernel's tables need some seconds to know the silent addresses of so slow a flood as that of
// mp_fork.
Flooding many(const Family& family, const ModelUnderTest& model) {
  if (model.name == "mp_fork") return for_model(model, {family, 600, 300, 5000ms});
  return {family, 600, 1000, 1000ms};
}

// Sanitizers copy their shadow memory at each fork, too slowly for so many messages.
bool cannot_keep_up(const ModelUnderTest& model) {
  return kSanitized && model.name == "mp_fork";
}

class SilentNeighbours : public testing::TestWithParam<ModelUnderTest> {};

TEST_P(SilentNeighbours, ManyOfThem) {
  if (cannot_keep_up(GetParam())) GTEST_SKIP() << "sanitizers make forks slow";
  expect_that_others_are_answered(many(kV4, GetParam()), GetParam().environment);
}
INSTANTIATE_TEST_SUITE_P(EveryModel, SilentNeighbours, testing::ValuesIn(every_model()),
                         model_name);

class SilentNeighboursIpv6 : public testing::TestWithParam<ModelUnderTest> {};

TEST_P(SilentNeighboursIpv6, ManyOfThem) {
  if (cannot_keep_up(GetParam())) GTEST_SKIP() << "sanitizers make forks slow";
  expect_that_others_are_answered(many(kV6, GetParam()), GetParam().environment);
}
INSTANTIATE_TEST_SUITE_P(
    SomeModels, SilentNeighboursIpv6,
    testing::Values(ModelUnderTest{"seda", {{"CPSS_MODEL", "seda"}}},
                    ModelUnderTest{"sped", {{"CPSS_MODEL", "sped"}}},
                    ModelUnderTest{"mp_fork", {{"CPSS_MODEL", "mp"}, {"CPSS_MP", "fork"}}}),
    model_name);

TEST(SilentNeighboursFew, ThreeOfThem) {
  expect_that_others_are_answered({kV4, 3, 600, 2000ms}, {});
}

// The promise of docs/overload.md to a client that waits for 100 ms, once the kernel has had time
// to know which addresses are silent. Without the watch of neighbours no try comes near.
class SilentNeighboursInTime : public testing::TestWithParam<ModelUnderTest> {
 protected:
  static constexpr auto kBefore = 5000ms;
  static constexpr Asking asking(int answered) {
    return {.asks = 60, .patience = 100ms, .answered = answered};
  }
};

TEST_P(SilentNeighboursInTime, ManyOfThem) {
  if (cannot_keep_up(GetParam())) GTEST_SKIP() << "sanitizers make forks slow";
  Flooding flooding = many(kV4, GetParam());
  flooding.before = kBefore;
  expect_that_others_are_answered(flooding, GetParam().environment, asking(54));
}
TEST_P(SilentNeighboursInTime, ThreeOfThem) {
  if (cannot_keep_up(GetParam())) GTEST_SKIP() << "sanitizers make forks slow";
  expect_that_others_are_answered(for_model(GetParam(), {kV4, 3, 200, kBefore}),
                                  GetParam().environment, asking(59));
}
TEST_P(SilentNeighboursInTime, ThreeOfThemIpv6) {
  if (cannot_keep_up(GetParam())) GTEST_SKIP() << "sanitizers make forks slow";
  expect_that_others_are_answered(for_model(GetParam(), {kV6, 3, 200, kBefore}),
                                  GetParam().environment, asking(59));
}
INSTANTIATE_TEST_SUITE_P(EveryModel, SilentNeighboursInTime, testing::ValuesIn(every_model()),
                         model_name);

// Replies of workers and of on-demand threads.
TEST(SilentNeighboursFew, WithWorkers) {
  expect_that_others_are_answered(
      {kV4, 600, 1000, 1000ms},
      {{"CPSS_MODEL", "amped"}, {"CPSS_DEFER", "all"}, {"CPSS_ONDEMAND_THREADS", "2"}});
}

}  // namespace
}  // namespace cpss
