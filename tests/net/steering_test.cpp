// Groups of sockets on loopback, and which socket gets which datagram.
#include "net/steering.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>

#include "tests/net/inbox.h"
#include "tests/support/forked_process.h"

namespace cpss {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::Gt;
using testing::HasSubstr;

constexpr std::size_t kMembers = 4;
constexpr std::size_t kDatagrams = 400;
using Counts = std::array<std::size_t, kMembers>;

std::size_t total(const Counts& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::size_t{0});
}

// kMembers sockets on one port.
class Group {
 public:
  explicit Group(const SocketAddress& address) {
    members_[0] = std::make_unique<UdpSocket>(address, UdpSocketOptions{});
    members_[0]->share_port();
    UdpSocketOptions joining;
    joining.reuse_port = true;
    for (std::size_t i = 1; i < kMembers; ++i)
      members_[i] = std::make_unique<UdpSocket>(this->address(), joining);
  }

  UdpSocket& member(std::size_t i) { return *members_[i]; }
  const SocketAddress& address() const { return members_[0]->local_address(); }

  // Sends kDatagrams, a few at a time so that the smallest buffer holds them; returns how many each
  // got.
  Counts spread(UdpSocket& client) {
    constexpr std::size_t kFew = 40;
    Counts counts{};
    for (std::size_t sent = 0; sent < kDatagrams; sent += kFew) {
      for (std::size_t i = 0; i < kFew; ++i)
        EXPECT_EQ(send_text(client, "x", address()).accepted, 1U);
      if (!collect(counts, sent + kFew)) break;
    }
    return counts;
  }

 private:
  // Receives until there are `expected` in all; false after 2 s without any.
  bool collect(Counts& counts, std::size_t expected) {
    Inbox inbox(64, 16);
    while (total(counts) < expected) {
      std::array<pollfd, kMembers> readable{};
      for (std::size_t i = 0; i < kMembers; ++i)
        readable[i] = {members_[i]->descriptor(), POLLIN, 0};
      if (::poll(readable.data(), readable.size(), 2000) <= 0) return false;
      for (std::size_t i = 0; i < kMembers; ++i) counts[i] += inbox.receive(*members_[i]).filled;
    }
    return true;
  }

  std::array<std::unique_ptr<UdpSocket>, kMembers> members_;
};

class SteeringTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string reason = why_no_address(any_port());
    if (!reason.empty()) GTEST_SKIP() << reason;
  }
  static SocketAddress any_port() { return address_of(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Loopback, SteeringTest, testing::Values("127.0.0.1", "::1"),
                         [](const auto& value) {
                           return std::string(value.param) == "::1" ? "v6" : "v4";
                         });

TEST_P(SteeringTest, ByHashAPeerAlwaysMeetsTheSameSocket) {
  Group group(any_port());
  steer(group.member(0), Steering::hash, kMembers);
  UdpSocket client(any_port(), {});
  Counts counts = group.spread(client);
  std::sort(counts.begin(), counts.end());
  EXPECT_THAT(counts, ElementsAre(0, 0, 0, kDatagrams));
}

TEST_P(SteeringTest, ByHashPeersAreSpread) {
  Group group(any_port());
  Counts counts{};
  constexpr std::size_t kPeers = 32;  // chance that one of four sockets gets all: 4 x 0.25^32
  for (std::size_t i = 0; i < kPeers; ++i) {
    UdpSocket client(any_port(), {});
    const Counts more = group.spread(client);
    for (std::size_t member = 0; member < kMembers; ++member) counts[member] += more[member];
  }
  EXPECT_EQ(total(counts), kPeers * kDatagrams);
  EXPECT_THAT(counts, Each(testing::Lt(kPeers * kDatagrams)));
}

TEST_P(SteeringTest, AtRandomEverySocketGetsSome) {
  Group group(any_port());
  steer(group.member(0), Steering::random, kMembers);
  UdpSocket client(any_port(), {});
  const Counts counts = group.spread(client);
  EXPECT_EQ(total(counts), kDatagrams);
  EXPECT_THAT(counts, Each(Gt(0)));  // chance that one gets none: 4 x 0.75^400
}

TEST_P(SteeringTest, ByCpuTheNumberOfTheSendersCpuCounts) {
  Group group(any_port());
  steer(group.member(2), Steering::cpu, kMembers);
  cpu_set_t allowed;
  ASSERT_EQ(::sched_getaffinity(0, sizeof allowed, &allowed), 0);
  std::size_t tried = 0;
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE && tried < kMembers; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    ++tried;
    Counts counts{};
    // On a thread of its own, so that the other tests keep their CPUs. Loopback delivers on the CPU
    // of the sender.
    std::jthread([&] {
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(cpu, &one);
      ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
      UdpSocket client(any_port(), {});
      counts = group.spread(client);
    }).join();
    Counts expected{};
    expected[cpu % kMembers] = kDatagrams;
    EXPECT_EQ(counts, expected) << "CPU " << cpu;
  }
  EXPECT_GT(tried, 0U);
}

TEST_P(SteeringTest, RoundRobinGivesEachAsMany) {
  Group group(any_port());
  try {
    steer(group.member(0), Steering::round_robin, kMembers);
  } catch (const SocketError& error) {
    if (error.code() != EPERM) throw;
    GTEST_SKIP() << "no right to extended BPF: " << error.what();
  }
  UdpSocket client(any_port(), {});
  EXPECT_THAT(group.spread(client), Each(kDatagrams / kMembers));
  // The order is one for all peers: the datagram of another peer goes to the next socket.
  UdpSocket other(any_port(), {});
  send_text(client, "x", group.address());
  send_text(other, "x", group.address());
  Inbox inbox(4, 16);
  EXPECT_EQ(inbox.wait_and_receive(group.member(0)).filled, 1U);
  EXPECT_EQ(inbox.wait_and_receive(group.member(1)).filled, 1U);
}

TEST_P(SteeringTest, TheLastOneSetHolds) {
  Group group(any_port());
  steer(group.member(0), Steering::cpu, 1);  // CPU modulo 1: the first socket
  UdpSocket client(any_port(), {});
  EXPECT_THAT(group.spread(client), ElementsAre(kDatagrams, 0, 0, 0));
  steer(group.member(0), Steering::random, kMembers);
  EXPECT_THAT(group.spread(client), Each(Gt(0)));
}

// The program names a number without a socket: then the hash chooses, and nothing is lost.
TEST_P(SteeringTest, MoreThanThereAreIsLeftToTheHash) {
  Group group(any_port());
  steer(group.member(0), Steering::random, 1'000'000);
  UdpSocket client(any_port(), {});
  const Counts counts = group.spread(client);
  EXPECT_EQ(total(counts), kDatagrams);
}

TEST_P(SteeringTest, ASocketWithoutAGroupCannotBeSteered) {
  UdpSocket alone(any_port(), {});
  try {
    steer(alone, Steering::random, kMembers);
    FAIL() << "steered";
  } catch (const SocketError& error) {
    EXPECT_NE(error.code(), 0);
    EXPECT_THAT(error.what(), HasSubstr(alone.local_address().to_string()));
    EXPECT_THAT(error.what(), HasSubstr("choose 'hash'"));
  }
}

TEST_P(SteeringTest, WithoutTheRightToExtendedBpfItSaysWhatToDo) {
  // In a child process, which gives up root for good. Where every user has the right it works
  // there, too.
  enum : int { kSteered = 0, kRefusedRightly = 1, kWrong = 2 };
  ForkedProcess child([&] {
    if (::getuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) return kWrong;
    Group group(any_port());
    try {
      steer(group.member(0), Steering::round_robin, kMembers);
      return kSteered;
    } catch (const SocketError& error) {
      const std::string text = error.what();
      const bool right = error.code() == EPERM && text.find("CAP_BPF") != std::string::npos &&
                         text.find("unprivileged_bpf_disabled") != std::string::npos &&
                         text.find("choose 'random'") != std::string::npos &&
                         text.find(group.address().to_string()) != std::string::npos;
      return right ? kRefusedRightly : kWrong;
    }
  });
  EXPECT_THAT(child.exit_code(), testing::AnyOf(kSteered, kRefusedRightly));
}

}  // namespace
}  // namespace cpss
