// UdpSocket on loopback. Tests with links and addresses of their own: udp_socket_network_test.cpp.
#include "net/udp_socket.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/net/inbox.h"
#include "tests/support/eventually.h"
#include "tests/support/flood.h"
#include "tests/support/forked_process.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// Both families on loopback.
class UdpSocketTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string reason = why_no_address(any_port());
    if (!reason.empty()) GTEST_SKIP() << reason;
  }
  static SocketAddress any_port() { return address_of(GetParam()); }
  // Small, so that a flood fills it.
  static UdpSocketOptions small_buffer() { return {64 << 10, true}; }
};

INSTANTIATE_TEST_SUITE_P(Loopback, UdpSocketTest, testing::Values("127.0.0.1", "::1"),
                         [](const auto& value) {
                           return std::string(value.param) == "::1" ? "v6" : "v4";
                         });

TEST_P(UdpSocketTest, IsNonBlockingAndNotInherited) {
  const UdpSocket socket(any_port(), {});
  EXPECT_TRUE(::fcntl(socket.descriptor(), F_GETFL) & O_NONBLOCK);
  EXPECT_TRUE(::fcntl(socket.descriptor(), F_GETFD) & FD_CLOEXEC);
  EXPECT_NE(socket.local_address().port(), 0);
  EXPECT_EQ(socket.local_address().ip(), any_port().ip());
  EXPECT_FALSE(socket.wildcard());
}

TEST_P(UdpSocketTest, CarriesABatchBothWays) {
  constexpr std::size_t kBatch = 64;
  UdpSocket server(any_port(), {});
  UdpSocket client(any_port(), {});
  std::array<std::string, kBatch> texts;
  std::array<OutgoingDatagram, kBatch> out;
  for (std::size_t i = 0; i < kBatch; ++i) {
    texts[i] = "request " + std::to_string(i);
    out[i] = {reinterpret_cast<const std::byte*>(texts[i].data()), texts[i].size(),
              &server.local_address(), nullptr};
  }
  const SendResult sent = client.send(out);
  EXPECT_EQ(sent.accepted, kBatch);
  EXPECT_EQ(sent.error, 0);

  Inbox inbox(kBatch, 256);
  ASSERT_EQ(inbox.wait_and_receive(server).filled, kBatch);
  for (std::size_t i = 0; i < kBatch; ++i) {
    const Arrival& arrival = inbox.arrival(i);
    EXPECT_EQ(inbox.text(i), texts[i]);
    EXPECT_EQ(arrival.peer, client.local_address());
    EXPECT_EQ(arrival.peer.family(), any_port().family());
    EXPECT_FALSE(arrival.local.known());  // bound to one address
    EXPECT_FALSE(arrival.truncated);
    EXPECT_FALSE(arrival.to_group);
    EXPECT_EQ(arrival.datagrams(), 1U);
    EXPECT_EQ(send_text(server, "reply", arrival.peer, arrival.local).accepted, 1U);
  }
  EXPECT_EQ(inbox.wait_and_receive(client).filled, kBatch);
  EXPECT_EQ(inbox.arrival(0).peer, server.local_address());
}

TEST_P(UdpSocketTest, NothingToReadIsNoError) {
  UdpSocket server(any_port(), {});
  Inbox inbox(4, 16);
  for (int i = 0; i < 3; ++i) {
    const ReceiveResult result = inbox.receive(server);
    EXPECT_EQ(result.filled, 0U);
    EXPECT_EQ(result.error, 0);
  }
}

TEST_P(UdpSocketTest, NoBuffersAndNoDatagramsAreNoError) {
  UdpSocket server(any_port(), {});
  EXPECT_EQ(server.receive({}, {}).error, 0);
  EXPECT_EQ(server.send({}).error, 0);
  EXPECT_EQ(server.send({}).accepted, 0U);
}

TEST_P(UdpSocketTest, AnEmptyDatagramIsAnArrivalAndNotAnEnd) {
  UdpSocket server(any_port(), {});
  UdpSocket client(any_port(), {});
  for (const char* text : {"", "", "after", ""}) send_text(client, text, server.local_address());
  Inbox inbox(8, 16);
  ASSERT_EQ(inbox.wait_and_receive(server).filled, 4U);
  EXPECT_EQ(inbox.arrival(0).length, 0U);
  EXPECT_EQ(inbox.arrival(0).datagrams(), 1U);
  EXPECT_EQ(inbox.arrival(0).peer, client.local_address());
  EXPECT_EQ(inbox.text(2), "after");
  EXPECT_EQ(inbox.arrival(3).length, 0U);
}

TEST_P(UdpSocketTest, SaysWhenADatagramWasLongerThanItsBuffer) {
  constexpr std::size_t kRoom = 100;
  UdpSocket server(any_port(), {});
  UdpSocket client(any_port(), {});
  for (const std::size_t size : {kRoom - 1, kRoom, kRoom + 1, std::size_t{65'507}, kRoom})
    ASSERT_EQ(send_text(client, std::string(size, 'x'), server.local_address()).accepted, 1U);
  Inbox inbox(8, kRoom);
  ASSERT_EQ(inbox.wait_and_receive(server).filled, 5U);
  const std::array<std::uint32_t, 5> lengths{kRoom - 1, kRoom, kRoom, kRoom, kRoom};
  const std::array<bool, 5> truncated{false, false, true, true, false};
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    EXPECT_EQ(inbox.arrival(i).length, lengths[i]) << i;
    EXPECT_EQ(inbox.arrival(i).truncated, truncated[i]) << i;
  }
  // Receives into the same buffers again: nothing of the last batch may show through.
  send_text(client, "short", server.local_address());
  ASSERT_EQ(inbox.wait_and_receive(server).filled, 1U);
  EXPECT_EQ(inbox.text(0), "short");
  EXPECT_FALSE(inbox.arrival(0).truncated);
}

// Arrivals are used again without being cleared.
TEST_P(UdpSocketTest, NothingOfAnEarlierArrivalShowsThrough) {
  UdpSocket server(any_port(), {});
  UdpSocket client(any_port(), {});
  send_text(client, "request", server.local_address());
  std::array<std::byte, 16> memory{};
  const ReceiveBuffer buffer{memory.data(), memory.size()};
  Arrival arrival;
  arrival.local = {any_port().ip(), 7};
  arrival.length = 9;
  arrival.segment_size = 3;
  arrival.truncated = true;
  arrival.to_group = true;
  ASSERT_EQ(server.receive({&buffer, 1}, {&arrival, 1}).filled, 1U);
  EXPECT_EQ(arrival.local, LocalAddress{});
  EXPECT_EQ(arrival.length, 7U);
  EXPECT_EQ(arrival.segment_size, 0U);
  EXPECT_FALSE(arrival.truncated);
  EXPECT_FALSE(arrival.to_group);
}

TEST_P(UdpSocketTest, AsksForTheLocalAddressOnlyAtAWildcard) {
  const bool v6 = any_port().family() == AF_INET6;
  const auto asks = [&](const SocketAddress& address) {
    const UdpSocket socket(address, {});
    int value = -1;
    socklen_t size = sizeof value;
    ::getsockopt(socket.descriptor(), v6 ? IPPROTO_IPV6 : IPPROTO_IP,
                 v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, &value, &size);
    return value;
  };
  EXPECT_EQ(asks(any_port()), 0);
  EXPECT_EQ(asks(address_of(v6 ? "::" : "0.0.0.0")), 1);
}

TEST_P(UdpSocketTest, CarriesTheLongestDatagramAndRefusesALongerOne) {
  const std::size_t longest = any_port().family() == AF_INET ? 65'507 : 65'527;
  UdpSocket server(any_port(), {});
  UdpSocket client(any_port(), {});
  EXPECT_EQ(send_text(client, std::string(longest, 'x'), server.local_address()).accepted, 1U);
  EXPECT_EQ(send_text(client, std::string(longest + 1, 'x'), server.local_address()).error,
            EMSGSIZE);
  Inbox inbox(2, 1 << 16);
  ASSERT_EQ(inbox.wait_and_receive(server).filled, 1U);
  EXPECT_EQ(inbox.text(0), std::string(longest, 'x'));
  EXPECT_FALSE(inbox.arrival(0).truncated);
}

TEST_P(UdpSocketTest, HandlesAtMostMaxPerCallInACall) {
  constexpr std::size_t kMany = UdpSocket::kMaxPerCall + 76;
  UdpSocket server(any_port(), {});
  UdpSocket client(any_port(), {});
  const std::byte payload{1};
  const std::vector<OutgoingDatagram> out(kMany, {&payload, 1, &server.local_address(), nullptr});
  EXPECT_EQ(client.send(out).accepted, UdpSocket::kMaxPerCall);
  EXPECT_EQ(client.send(std::span(out).subspan(UdpSocket::kMaxPerCall)).accepted, 76U);
  Inbox inbox(kMany, 8);
  EXPECT_EQ(inbox.wait_and_receive(server).filled, UdpSocket::kMaxPerCall);
  EXPECT_EQ(inbox.wait_and_receive(server).filled, 76U);
}

TEST_P(UdpSocketTest, OneBadAddressAmong32CostsOnlyItsOwnDatagram) {
  constexpr std::size_t kBatch = 32;
  for (const std::size_t bad : {std::size_t{0}, std::size_t{1}, std::size_t{17}, kBatch - 1}) {
    UdpSocket server(any_port(), {});
    UdpSocket client(any_port(), {});
    const SocketAddress nowhere = any_port();  // port 0: EINVAL
    std::array<std::byte, kBatch> payload{};
    std::array<OutgoingDatagram, kBatch> out;
    for (std::size_t i = 0; i < kBatch; ++i) {
      payload[i] = static_cast<std::byte>('A' + i);
      out[i] = {&payload[i], 1, i == bad ? &nowhere : &server.local_address(), nullptr};
    }
    // Goes on as the contract asks of the caller.
    std::size_t done = 0;
    std::vector<std::size_t> failed;
    for (int calls = 0; done < kBatch && calls < 4; ++calls) {
      const SendResult result = client.send(std::span(out).subspan(done));
      done += result.accepted;
      if (result.error == 0) continue;
      EXPECT_EQ(result.error, EINVAL);
      failed.push_back(done++);
    }
    EXPECT_EQ(done, kBatch);
    EXPECT_THAT(failed, testing::ElementsAre(bad));

    Inbox inbox(kBatch, 8);
    ASSERT_EQ(inbox.wait_and_receive(server).filled, kBatch - 1);
    std::string expected;
    std::string got;
    for (std::size_t i = 0; i < kBatch; ++i)
      if (i != bad) expected += static_cast<char>(payload[i]);
    for (std::size_t i = 0; i + 1 < kBatch; ++i) got += inbox.text(i);
    EXPECT_EQ(got, expected);
  }
}

// ICMP port unreachable, in reply to our datagrams, must not disturb other peers.
TEST_P(UdpSocketTest, ClosedPeersEndNoLoopAndHarmNoOtherPeer) {
  UdpSocket server(any_port(), {});
  UdpSocket alive(any_port(), {});
  SocketAddress closed;
  {
    const UdpSocket gone(any_port(), {});
    closed = gone.local_address();
  }
  Inbox inbox(4, 64);
  for (int i = 0; i < 1000; ++i) {
    send_text(server, "to nobody", closed);
    ASSERT_EQ(send_text(server, "reply", alive.local_address()).error, 0);
    ASSERT_EQ(inbox.wait_and_receive(alive).filled, 1U);
    send_text(alive, "request", server.local_address());
    const ReceiveResult result = inbox.wait_and_receive(server);
    ASSERT_EQ(result.error, 0);
    ASSERT_EQ(result.filled, 1U);
    ASSERT_EQ(inbox.text(0), "request");
  }
}

TEST_P(UdpSocketTest, GivesTheBufferThatWasAskedFor) {
  const UdpSocket socket(any_port(), small_buffer());
  EXPECT_EQ(socket.buffer_info().receive_bytes, 2U * small_buffer().buffer_bytes);
  EXPECT_EQ(socket.buffer_info().send_bytes, 2U * small_buffer().buffer_bytes);
}

TEST_P(UdpSocketTest, AFloodedUnreadSocketAccountsForEveryDatagram) {
  UdpSocket server(any_port(), small_buffer());
  EXPECT_EQ(server.kernel_dropped(), 0U);
  const std::vector<std::byte> payload(256);
  Flood flood(server.local_address(), 2);
  const std::uint64_t backlog = backlog_drops();
  const Flood::Sent sent = flood.send(5000, payload);
  EXPECT_EQ(sent.datagrams, 10'000U);

  // Waits until the CPUs' input queues are empty; their losses are counted for the whole host.
  const std::size_t promised = server.buffer_info().receive_datagrams;
  EXPECT_TRUE(eventually([&] {
    return server.kernel_dropped() + promised + 1 + backlog_drops() - backlog >= sent.datagrams;
  })) << server.kernel_dropped()
      << ", and before any socket " << backlog_drops() - backlog;

  std::uint64_t received = 0;
  Inbox inbox(64, 256);
  for (;;) {
    const std::size_t filled = inbox.receive(server).filled;
    if (filled == 0) break;
    received += filled;
  }
  EXPECT_LE(received + server.kernel_dropped(), sent.datagrams);
  EXPECT_GE(received + server.kernel_dropped() + backlog_drops() - backlog, sent.datagrams);
  EXPECT_GT(server.kernel_dropped(), 0U);

  // This flood also tests the promise of buffer_info().
  EXPECT_GE(received, promised);
  EXPECT_LE(received, promised + 1);  // by kernel version
}

TEST(ExtendCounter, GoesOnAcrossAWrap) {
  constexpr std::uint64_t kWrap = std::uint64_t{1} << 32;
  EXPECT_EQ(extend_counter(0, 0), 0U);
  EXPECT_EQ(extend_counter(0, 7), 7U);
  EXPECT_EQ(extend_counter(7, 7), 7U);
  EXPECT_EQ(extend_counter(kWrap - 1, 0xffffffff), kWrap - 1);
  EXPECT_EQ(extend_counter(kWrap - 1, 0), kWrap);
  EXPECT_EQ(extend_counter(kWrap - 3, 2), kWrap + 2);
  EXPECT_EQ(extend_counter(5 * kWrap + 10, 9), 6 * kWrap + 9);
}

TEST_P(UdpSocketTest, StoppedArrivalsAreDropsAndWhatIsQueuedStays) {
  UdpSocket server(any_port(), {});
  UdpSocket client(any_port(), {});
  for (int i = 0; i < 10; ++i) send_text(client, "before", server.local_address());
  ASSERT_TRUE(server.stop_arrivals());
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(send_text(client, "after", server.local_address()).accepted, 1U);
  Inbox inbox(64, 16);
  EXPECT_EQ(inbox.wait_and_receive(server).filled, 10U);
  EXPECT_EQ(inbox.receive(server).filled, 0U);
  EXPECT_TRUE(eventually([&] { return server.kernel_dropped() == 5; }));
  // It can still answer.
  EXPECT_EQ(send_text(server, "reply", client.local_address()).accepted, 1U);
  EXPECT_EQ(inbox.wait_and_receive(client).filled, 1U);
}

TEST_P(UdpSocketTest, WaitingForAWritableSocketIsShort) {
  UdpSocket socket(any_port(), {});
  const auto start = std::chrono::steady_clock::now();
  socket.wait_writable(10s);
  socket.wait_writable(-5ms);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
}

// Numbered datagrams into one socket, read by several lanes: each arrives at exactly one of them.
void several_lanes_share_a_socket(const SocketAddress& address) {
  constexpr std::uint64_t kDatagrams = 40'000;
  UdpSocket server(address, {});
  std::vector<std::atomic<int>> seen(kDatagrams);
  std::atomic<bool> over{false};
  Flood::Sent sent;
  std::atomic<std::uint64_t> received{0};
  const std::uint64_t backlog = backlog_drops();
  {
    std::vector<std::jthread> lanes;
    for (int lane = 0; lane < 3; ++lane)
      lanes.emplace_back([&] {
        Inbox inbox(16, 16);
        while (!over) {
          const ReceiveResult result = inbox.wait_and_receive(server, 5);
          EXPECT_EQ(result.error, 0);
          for (std::size_t i = 0; i < result.filled; ++i) ++seen[std::stoul(inbox.text(i))];
          received += result.filled;
        }
      });
    Flood flood(server.local_address(), 1);
    sent = flood.send(kDatagrams, [](std::size_t, std::uint64_t number, std::span<std::byte> room) {
      const std::string text = std::to_string(number);
      std::memcpy(room.data(), text.data(), text.size());
      return text.size();
    });
    // A CPU's input queue may hold some of them for a while, or have lost some; the host counts
    // these.
    EXPECT_TRUE(eventually([&] {
      return received + server.kernel_dropped() + backlog_drops() - backlog >= sent.datagrams;
    }));
    over = true;
  }
  EXPECT_EQ(sent.datagrams, kDatagrams);
  EXPECT_EQ(sent.refused, 0U);
  EXPECT_LE(received + server.kernel_dropped(), sent.datagrams);
  std::uint64_t distinct = 0;
  for (const auto& times : seen) {
    EXPECT_LE(times, 1);
    if (times > 0) ++distinct;
  }
  EXPECT_EQ(distinct, received);
}

TEST_P(UdpSocketTest, SeveralLanesShareASocket) {
  several_lanes_share_a_socket(any_port());
}

TEST_P(UdpSocketTest, SignalsLoseNothingAndCountNothingTwice) {
  static std::atomic<std::uint64_t> signals{0};
  signals = 0;
  struct sigaction action {};
  action.sa_handler = [](int) { ++signals; };
  struct sigaction before {};
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);  // no SA_RESTART: calls do return EINTR
  std::atomic<bool> done{false};
  {
    // Signals the process, so any of its threads but this one, which blocks the signal.
    std::jthread signaller([&] {
      sigset_t mask;
      sigemptyset(&mask);
      sigaddset(&mask, SIGUSR1);
      ::pthread_sigmask(SIG_BLOCK, &mask, nullptr);
      while (!done) {
        ::kill(::getpid(), SIGUSR1);
        std::this_thread::sleep_for(50us);
      }
    });
    several_lanes_share_a_socket(any_port());
    done = true;
  }
  ASSERT_EQ(::sigaction(SIGUSR1, &before, nullptr), 0);
  EXPECT_GT(signals, 10U);
}

TEST_P(UdpSocketTest, SaysThatAnAddressIsInUse) {
  const UdpSocket first(any_port(), {});
  try {
    const UdpSocket second(first.local_address(), {});
    FAIL() << "bound twice";
  } catch (const SocketError& error) {
    EXPECT_EQ(error.code(), EADDRINUSE);
    EXPECT_THAT(error.what(), HasSubstr(first.local_address().to_string()));
    EXPECT_THAT(error.what(), HasSubstr("choose another port"));
  }
}

TEST_P(UdpSocketTest, SharesItsPortOnlyWhenToldTo) {
  UdpSocketOptions joining;
  joining.reuse_port = true;
  const auto code_at = [](const SocketAddress& address, const UdpSocketOptions& options) {
    try {
      const UdpSocket socket(address, options);
      return 0;
    } catch (const SocketError& error) {
      return error.code();
    }
  };
  UdpSocket first(any_port(), {});
  EXPECT_EQ(code_at(first.local_address(), joining), EADDRINUSE) << "the first is alone";
  first.share_port();
  const UdpSocket second(first.local_address(), joining);
  EXPECT_EQ(second.local_address(), first.local_address());
  EXPECT_EQ(code_at(first.local_address(), joining), 0);
  EXPECT_EQ(code_at(first.local_address(), {}), EADDRINUSE) << "a server of its own";
}

struct BadAddress {
  const char* ip;
  int code;
  const char* advice;
};

class UdpSocketRefuses : public testing::TestWithParam<BadAddress> {};

TEST_P(UdpSocketRefuses, WithAReasonAndWhatToDo) {
  const BadAddress& bad = GetParam();
  const SocketAddress address = address_of(bad.ip);
  if (address.family() == AF_INET6) {
    const std::string reason = why_no_address(address_of("::1"));
    if (!reason.empty()) GTEST_SKIP() << reason;
  }
  try {
    const UdpSocket socket(address, {});
    FAIL() << "bound";
  } catch (const SocketError& error) {
    EXPECT_EQ(error.code(), bad.code) << error.what();
    EXPECT_THAT(error.what(), HasSubstr(bad.ip));
    EXPECT_THAT(error.what(), HasSubstr(bad.advice));
  }
}

// No host has the addresses of documentation (RFC 5737, RFC 3849).
INSTANTIATE_TEST_SUITE_P(All, UdpSocketRefuses,
                         testing::Values(BadAddress{"192.0.2.1", EADDRNOTAVAIL, "ip address"},
                                         BadAddress{"2001:db8::1", EADDRNOTAVAIL, "ip address"},
                                         BadAddress{"fe80::1", EINVAL, "interface"},
                                         BadAddress{"224.0.0.1", EINVAL, "multicast"},
                                         BadAddress{"ff02::1", EINVAL, "multicast"},
                                         BadAddress{"127.255.255.255", EINVAL, "broadcast"},
                                         BadAddress{"255.255.255.255", EINVAL, "broadcast"}));

TEST(UdpSocketPrivilege, SaysThatAPortIsPrivileged) {
  // In a child process, which gives up root for good.
  enum : int { kRight = 0, kBound = 1, kWrong = 2 };
  ForkedProcess child([&] {
    if (::getuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) return kBound;
    try {
      const UdpSocket socket(address_of("127.0.0.1", 7), {});
      return kBound;
    } catch (const SocketError& error) {
      const std::string text = error.what();
      const bool right = error.code() == EACCES &&
                         text.find("CAP_NET_BIND_SERVICE") != std::string::npos &&
                         text.find("127.0.0.1:7") != std::string::npos;
      return right ? kRight : kWrong;
    }
  });
  const int code = child.exit_code();
  if (code == kBound) GTEST_SKIP() << "low ports are open to everybody here";
  EXPECT_EQ(code, kRight);
}

// On loopback, where 127.0.0.2 needs no set-up.
class UdpSocketWildcard : public testing::TestWithParam<std::pair<const char*, bool>> {};

TEST_P(UdpSocketWildcard, ReplyLeavesFromTheAddressAsked) {
  const auto [bind, ipv6_only] = GetParam();
  const std::string reason = why_no_address(address_of(bind));
  if (!reason.empty()) GTEST_SKIP() << reason;
  UdpSocket server(address_of(bind), {4 << 20, ipv6_only});
  EXPECT_TRUE(server.wildcard());
  UdpSocket client(address_of("127.0.0.9"), {});
  const SocketAddress asked = address_of("127.0.0.2", server.local_address().port());
  send_text(client, "request", asked);
  Inbox inbox(4, 16);
  ASSERT_EQ(inbox.wait_and_receive(server).filled, 1U);
  const Arrival arrival = inbox.arrival(0);
  EXPECT_EQ(arrival.peer, client.local_address());
  EXPECT_EQ(arrival.peer.family(), address_of(bind).family());
  EXPECT_EQ(arrival.local.ip, asked.ip());
  EXPECT_EQ(arrival.local.interface, 0U);
  EXPECT_FALSE(arrival.to_group);

  EXPECT_EQ(send_text(server, "right", arrival.peer, arrival.local).accepted, 1U);
  ASSERT_EQ(inbox.wait_and_receive(client).filled, 1U);
  EXPECT_EQ(inbox.arrival(0).peer, asked);
  // Without arrival.local the kernel chooses another address.
  send_text(server, "wrong", arrival.peer);
  ASSERT_EQ(inbox.wait_and_receive(client).filled, 1U);
  EXPECT_FALSE(inbox.arrival(0).peer == asked);
  // An address that went away in between is an error of that datagram alone.
  const LocalAddress gone{*IpAddress::parse("192.0.2.1"), 0};
  EXPECT_THAT(send_text(server, "gone", arrival.peer, gone).error,
              testing::AnyOf(EINVAL, ENETUNREACH));  // by kernel version
}

INSTANTIATE_TEST_SUITE_P(V4Peer, UdpSocketWildcard,
                         testing::Values(std::pair("0.0.0.0", true), std::pair("::", false)),
                         [](const auto& value) {
                           return value.param.second ? "v4" : "dual_stack";
                         });

TEST(UdpSocketDualStack, TakesBothFamiliesAndV6OnlyTakesOne) {
  const std::string reason = why_no_address(address_of("::1"));
  if (!reason.empty()) GTEST_SKIP() << reason;
  UdpSocket v4(address_of("127.0.0.1"), {});
  UdpSocket v6(address_of("::1"), {});
  Inbox inbox(4, 16);
  for (const bool ipv6_only : {false, true}) {
    UdpSocket server(address_of("::"), {4 << 20, ipv6_only});
    const std::uint16_t port = server.local_address().port();
    send_text(v4, "four", address_of("127.0.0.1", port));
    send_text(v6, "six", address_of("::1", port));
    ASSERT_EQ(inbox.wait_and_receive(server).filled, ipv6_only ? 1U : 2U);
    const std::size_t six = ipv6_only ? 0 : 1;
    EXPECT_EQ(inbox.text(six), "six");
    EXPECT_EQ(inbox.arrival(six).local.ip, *IpAddress::parse("::1"));
    EXPECT_EQ(inbox.arrival(six).local.interface, 0U);
    if (!ipv6_only) {
      EXPECT_EQ(inbox.arrival(0).peer, v4.local_address());
    }
  }
  // An IPv4 peer that no arrival has named, so in its own family.
  UdpSocket server(address_of("::"), {4 << 20, false});
  EXPECT_EQ(send_text(server, "four", v4.local_address()).accepted, 1U);
  EXPECT_EQ(inbox.wait_and_receive(v4).filled, 1U);
}

TEST(UdpSocketDualStack, V6OnlyLeavesThePortToV4) {
  const std::string reason = why_no_address(address_of("::1"));
  if (!reason.empty()) GTEST_SKIP() << reason;
  const UdpSocket v6(address_of("::"), {});
  EXPECT_EQ(why_no_address(address_of("0.0.0.0", v6.local_address().port())), "");
}

}  // namespace
}  // namespace cpss
