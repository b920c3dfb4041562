// Sockets that another program opened, as a service manager does: which are taken over, and how.
#include <cerrno>
#include <cstring>
#include <ctime>
#include <ostream>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/udp_socket.h"
#include "tests/net/inbox.h"

namespace cpss {
namespace {

using testing::Contains;
using testing::HasSubstr;

// A socket as the other program left it: without close-on-exec. After hand_over() a UdpSocket owns
// it.
class Opened {
 public:
  Opened(int family, int type) : fd_(::socket(family, type, 0)) {}
  explicit Opened(const SocketAddress& bound_to) : Opened(bound_to.family(), SOCK_DGRAM) {
    bind(bound_to);
  }
  ~Opened() {
    if (fd_ >= 0) ::close(fd_);
  }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

  void bind(const SocketAddress& address) {
    EXPECT_EQ(::bind(fd_, address.data(), address.size()), 0) << address.to_string();
  }
  int get() const { return fd_; }
  InheritedDescriptor hand_over() { return {std::exchange(fd_, -1)}; }

 private:
  int fd_;
};

int option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  ::getsockopt(fd, level, name, &value, &size);
  return value;
}

SocketAddress name_of(int fd) {
  SocketAddress address;
  socklen_t size = SocketAddress::kCapacity;
  EXPECT_EQ(::getsockname(fd, address.data(), &size), 0);
  return address;
}

// The server gets two waiting datagrams with all that can be known of them, and answers them.
void answer_two(UdpSocket& server, const IpAddress& asked) {
  Inbox inbox(4, 16);
  ASSERT_EQ(inbox.wait_and_receive(server).filled, 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    const Arrival& arrival = inbox.arrival(i);
    EXPECT_EQ(arrival.local.ip, asked) << inbox.text(i);
    EXPECT_FALSE(arrival.to_group) << inbox.text(i);
    EXPECT_FALSE(arrival.control_cut) << inbox.text(i);
    EXPECT_EQ(send_text(server, "reply", arrival.peer, arrival.local).accepted, 1U);
  }
}

// The text of the refusal, which leaves the descriptor open and as it was; empty if there is none.
std::string refusal_of(const Opened& opened, int code = EINVAL) {
  const int flags = ::fcntl(opened.get(), F_GETFD);
  try {
    const UdpSocket socket(InheritedDescriptor{opened.get()}, {});
  } catch (const SocketError& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_EQ(::fcntl(opened.get(), F_GETFD), flags) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "taken over";
  return {};
}

TEST(UdpSocketInherited, RefusesWhatIsNoBoundUdpSocket) {
  const Opened stream(AF_INET, SOCK_STREAM);
  const Opened local(AF_UNIX, SOCK_DGRAM);
  const Opened unbound(AF_INET, SOCK_DGRAM);
  EXPECT_THAT(refusal_of(stream), HasSubstr("a stream socket"));
  EXPECT_THAT(refusal_of(local), HasSubstr("UNIX"));
  EXPECT_THAT(refusal_of(unbound), HasSubstr("not bound"));
  for (const Opened* opened : {&stream, &local, &unbound}) {
    const std::string text = refusal_of(*opened);
    EXPECT_THAT(text, HasSubstr("ListenDatagram="));
    EXPECT_THAT(text, HasSubstr("descriptor " + std::to_string(opened->get()) + ":"));
  }
}

TEST(UdpSocketInherited, RefusesWhatIsNoSocket) {
  const auto text_for = [](int fd) -> std::string {
    try {
      const UdpSocket socket(InheritedDescriptor{fd}, {});
    } catch (const SocketError& error) {
      EXPECT_EQ(error.code(), EINVAL);
      return error.what();
    }
    return {};
  };
  const int file = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(file, 0);
  EXPECT_THAT(text_for(file), HasSubstr("not a socket"));
  ::close(file);
  EXPECT_THAT(text_for(file), HasSubstr("not open"));
  EXPECT_THAT(text_for(-1), HasSubstr("not open"));
}

TEST(UdpSocketInherited, RefusesAGroupAddress) {
  for (const char* ip : {"224.0.0.1", "127.255.255.255"}) {
    const Opened group(address_of(ip));
    EXPECT_THAT(refusal_of(group), HasSubstr("broadcast or multicast"));
  }
}

// Both families.
class UdpSocketInheritedTest : public testing::TestWithParam<std::pair<const char*, const char*>> {
 protected:
  void SetUp() override {
    const std::string reason = why_no_address(any_port());
    if (!reason.empty()) GTEST_SKIP() << reason;
  }
  static SocketAddress any_port() { return address_of(GetParam().first); }
  static SocketAddress wildcard() { return address_of(GetParam().second); }
  static bool v6() { return any_port().family() == AF_INET6; }
};

INSTANTIATE_TEST_SUITE_P(Loopback, UdpSocketInheritedTest,
                         testing::Values(std::pair("127.0.0.1", "0.0.0.0"), std::pair("::1", "::")),
                         [](const auto& value) {
                           return std::string(value.param.second) == "::" ? "v6" : "v4";
                         });

TEST_P(UdpSocketInheritedTest, TakesOverTheAddressAndWhatWaits) {
  Opened opened(any_port());
  const SocketAddress address = name_of(opened.get());
  UdpSocket client(any_port(), {});
  send_text(client, "before", address);
  UdpSocket server(opened.hand_over(), {});
  EXPECT_TRUE(server.inherited());
  EXPECT_FALSE(client.inherited());
  EXPECT_FALSE(server.wildcard());
  EXPECT_EQ(server.local_address(), address);

  send_text(client, "after", address);
  Inbox inbox(4, 16);
  ASSERT_EQ(inbox.wait_and_receive(server).filled, 2U);
  EXPECT_EQ(inbox.text(0), "before");
  EXPECT_EQ(inbox.text(1), "after");
  EXPECT_EQ(send_text(server, "reply", client.local_address()).accepted, 1U);
  ASSERT_EQ(inbox.wait_and_receive(client).filled, 1U);
  EXPECT_EQ(inbox.arrival(0).peer, address);
}

TEST_P(UdpSocketInheritedTest, AsksForWhatOursHave) {
  Opened opened(wildcard());
  const int fd = opened.get();
  ASSERT_EQ(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  UdpSocketOptions options;
  options.buffer_bytes = 1 << 20;
  options.gro = true;
  options.gso = true;
  {
    const UdpSocket server(opened.hand_over(), options);
    EXPECT_EQ(server.descriptor(), fd);
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_TRUE(server.wildcard());
    EXPECT_EQ(option(fd, v6() ? IPPROTO_IPV6 : IPPROTO_IP, v6() ? IPV6_RECVPKTINFO : IP_PKTINFO),
              1);
    const UdpSocket ours(wildcard(), options);
    EXPECT_EQ(server.buffer_info().receive_bytes, ours.buffer_info().receive_bytes);
    EXPECT_EQ(server.buffer_info().send_bytes, ours.buffer_info().send_bytes);
    EXPECT_EQ(server.merges(), ours.merges());
    EXPECT_EQ(server.max_segments(), ours.max_segments());
  }
  EXPECT_LT(::fcntl(fd, F_GETFD), 0) << "closed with the object";
}

// The program that opened it may have been allowed a larger one than the server.
TEST_P(UdpSocketInheritedTest, KeepsALargerBuffer) {
  Opened opened(any_port());
  UdpSocketOptions options;
  options.buffer_bytes = 4 << 10;
  const auto before = static_cast<std::size_t>(option(opened.get(), SOL_SOCKET, SO_RCVBUF));
  ASSERT_GT(before, 2U * options.buffer_bytes);
  const UdpSocket server(opened.hand_over(), options);
  EXPECT_EQ(server.buffer_info().receive_bytes, before);
}

TEST_P(UdpSocketInheritedTest, NeverBlocksThoughTheSocketWould) {
  UdpSocket server(Opened(any_port()).hand_over(), {});
  ASSERT_EQ(::fcntl(server.descriptor(), F_GETFL) & O_NONBLOCK, 0);
  Inbox inbox(4, 16);
  EXPECT_EQ(inbox.receive(server).filled, 0U);
  EXPECT_EQ(inbox.receive(server).error, 0);
}

// The datagram for which the manager started the server came before IP_PKTINFO was set.
TEST_P(UdpSocketInheritedTest, WhatWaitsAtAWildcardIsAnsweredFromTheAddressAsked) {
  Opened opened(wildcard());
  UdpSocket client(any_port(), {});
  SocketAddress asked = any_port();
  asked.set_port(name_of(opened.get()).port());
  send_text(client, "before", asked);
  UdpSocket server(opened.hand_over(), {});
  send_text(client, "after", asked);

  answer_two(server, asked.ip());
  Inbox inbox(4, 16);
  ASSERT_EQ(inbox.wait_and_receive(client).filled, 2U);
  EXPECT_EQ(inbox.arrival(0).peer, asked);
  EXPECT_EQ(inbox.arrival(1).peer, asked);
}

TEST_P(UdpSocketInheritedTest, GoesOnMergingWhereTheLastOwnerDid) {
  Opened opened(any_port());
  const int on = 1;
  if (::setsockopt(opened.get(), IPPROTO_UDP, UDP_GRO, &on, sizeof on) != 0)
    GTEST_SKIP() << "this kernel has no offload";
  UdpSocketOptions options;
  options.gro = false;
  EXPECT_TRUE(UdpSocket(opened.hand_over(), options).merges());
  EXPECT_FALSE(UdpSocket(Opened(any_port()).hand_over(), options).merges());
}

struct Given {
  int level;
  int name;
  const char* text;
  int value = 1;
  bool v6_only = false;
};

std::ostream& operator<<(std::ostream& out, const Given& given) {
  return out << given.text;
}

const std::vector<Given>& given_options() {
  static const std::vector<Given> all{
      {SOL_SOCKET, SO_TIMESTAMP, "SO_TIMESTAMP"},
      {SOL_SOCKET, SO_TIMESTAMPNS, "SO_TIMESTAMPNS"},
      {SOL_SOCKET, SO_TIMESTAMP_NEW, "SO_TIMESTAMP"},
      {SOL_SOCKET, SO_TIMESTAMPING, "SO_TIMESTAMPING",
       SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE},
      {SOL_SOCKET, SO_RXQ_OVFL, "SO_RXQ_OVFL"},
      {SOL_SOCKET, SO_RCVMARK, "SO_RCVMARK"},
      {SOL_SOCKET, SO_BROADCAST, "SO_BROADCAST"},
      {SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR"},
      {SOL_SOCKET, SO_NO_CHECK, "SO_NO_CHECK"},
      {IPPROTO_IP, IP_RECVERR, "IP_RECVERR"},
      {IPPROTO_IP, IP_RECVTTL, "IP_RECVTTL"},
      {IPPROTO_IP, IP_RECVTOS, "IP_RECVTOS"},
      {IPPROTO_IP, IP_RECVORIGDSTADDR, "IP_RECVORIGDSTADDR"},
      {IPPROTO_IPV6, IPV6_RECVERR, "IPV6_RECVERR", 1, true},
      {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, "IPV6_RECVHOPLIMIT", 1, true},
      {IPPROTO_IPV6, IPV6_RECVTCLASS, "IPV6_RECVTCLASS", 1, true},
      {IPPROTO_IPV6, IPV6_RECVPATHMTU, "IPV6_RECVPATHMTU", 1, true},
      {IPPROTO_IPV6, IPV6_2292PKTINFO, "IPV6_2292PKTINFO", 1, true},
      {IPPROTO_IPV6, IPV6_DONTFRAG, "IPV6_DONTFRAG", 1, true},
      {IPPROTO_UDP, UDP_CORK, "UDP_CORK"},
      {IPPROTO_UDP, UDP_SEGMENT, "UDP_SEGMENT", 3},
      {IPPROTO_UDP, UDP_NO_CHECK6_TX, "UDP_NO_CHECK6_TX", 1, true},
  };
  return all;
}

// Serves a socket with these options set: each request comes with the address to which it was sent,
// each reply leaves at once and whole, and the socket is ready for nothing but datagrams.
void expect_served(Opened opened, const std::vector<Given>& options, const SocketAddress& from) {
  const int fd = opened.get();
  for (const Given& given : options)
    ASSERT_EQ(::setsockopt(fd, given.level, given.name, &given.value, sizeof given.value), 0)
        << given << ": " << std::strerror(errno);
  SocketAddress asked = from;
  asked.set_port(name_of(fd).port());
  UdpSocketOptions ours;
  ours.gro = ours.gso = true;
  UdpSocket client(from, {});
  send_text(client, "before", asked);
  UdpSocket server(opened.hand_over(), ours);
  for (const Given& given : options) {
    EXPECT_EQ(option(fd, given.level, given.name), 0) << given;
    EXPECT_THAT(server.notes(), Contains(HasSubstr(std::string(" ") + given.text + " was set")));
  }
  EXPECT_EQ(server.notes().size(), options.size());

  send_text(client, "after", asked);
  answer_two(server, asked.ip());
  for (int replies = 0; replies < 2; ++replies) {
    Inbox one(1, 16);
    ASSERT_EQ(one.wait_and_receive(client).filled, 1U);
    EXPECT_EQ(one.text(0), "reply");
  }
  pollfd ready{fd, POLLIN, 0};
  EXPECT_EQ(::poll(&ready, 1, 0), 0) << ready.revents;
}

TEST_P(UdpSocketInheritedTest, IsServedWhateverItsGiverHadSet) {
  std::vector<Given> all;
  for (const Given& given : given_options()) {
    if (given.v6_only && !v6()) continue;
    SCOPED_TRACE(given.text);
    expect_served(Opened(wildcard()), {given}, any_port());
    // Each of these two options replaces the other.
    if (given.name != SO_TIMESTAMPNS && given.name != SO_TIMESTAMP_NEW) all.push_back(given);
  }
  expect_served(Opened(wildcard()), all, any_port());
}

// A reply to a closed port comes back as an ICMP error.
TEST_P(UdpSocketInheritedTest, WhatItsErrorQueueHoldsDoesNotMakeItReady) {
  Opened opened(any_port());
  const int fd = opened.get();
  const int on = 1;
  ASSERT_EQ(::setsockopt(fd, v6() ? IPPROTO_IPV6 : IPPROTO_IP, v6() ? IPV6_RECVERR : IP_RECVERR,
                         &on, sizeof on),
            0);
  SocketAddress nobody;
  {
    const UdpSocket gone(any_port(), {});
    nobody = gone.local_address();
  }
  const auto send_to_nobody = [&] {
    ::sendto(fd, "x", 1, MSG_DONTWAIT, nobody.data(), nobody.size());
  };
  send_to_nobody();
  pollfd ready{fd, POLLIN, 0};
  ASSERT_EQ(::poll(&ready, 1, 2000), 1);
  const UdpSocket server(opened.hand_over(), {});
  EXPECT_EQ(::poll(&ready, 1, 0), 0) << ready.revents;
  send_to_nobody();
  EXPECT_EQ(::poll(&ready, 1, 50), 0) << ready.revents;
}

// Time stamps of datagrams that the giver has sent outlast the option.
TEST_P(UdpSocketInheritedTest, NorDoTimeStampsOfWhatWasSent) {
  Opened opened(any_port());
  const int fd = opened.get();
  const int stamps = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
  ASSERT_EQ(::setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof stamps), 0);
  const UdpSocket peer(any_port(), {});
  const SocketAddress to = peer.local_address();
  for (int i = 0; i < 3; ++i)
    ASSERT_EQ(::sendto(fd, "x", 1, MSG_DONTWAIT, to.data(), to.size()), 1);
  pollfd ready{fd, POLLIN, 0};
  ASSERT_EQ(::poll(&ready, 1, 2000), 1);
  const UdpSocket server(opened.hand_over(), {});
  EXPECT_EQ(::poll(&ready, 1, 0), 0) << ready.revents;
}

TEST_P(UdpSocketInheritedTest, RefusesOneThatReportsLateReplies) {
  for (const std::uint32_t flags : {0U, std::uint32_t{SOF_TXTIME_REPORT_ERRORS}}) {
    Opened opened(any_port());
    const sock_txtime timed{CLOCK_MONOTONIC, flags};
    ASSERT_EQ(::setsockopt(opened.get(), SOL_SOCKET, SO_TXTIME, &timed, sizeof timed), 0);
    if (flags != 0)
      EXPECT_THAT(refusal_of(opened), HasSubstr("SO_TXTIME is set with"));
    else
      EXPECT_TRUE(UdpSocket(opened.hand_over(), {}).inherited());
  }
}

TEST_P(UdpSocketInheritedTest, RefusesAConnectedOne) {
  const UdpSocket peer(any_port(), {});
  const SocketAddress to = peer.local_address();
  Opened opened(any_port());
  ASSERT_EQ(::connect(opened.get(), to.data(), to.size()), 0);
  EXPECT_THAT(refusal_of(opened), HasSubstr("it is connected to " + to.to_string()));
}

TEST_P(UdpSocketInheritedTest, KeepsWhatIsItsGiversToSay) {
  Opened opened(any_port());
  const int fd = opened.get();
  const int priority = 5;
  const int hops = 7;
  const int level = v6() ? IPPROTO_IPV6 : IPPROTO_IP;
  const int name = v6() ? IPV6_UNICAST_HOPS : IP_TTL;
  ASSERT_EQ(::setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof priority), 0);
  ASSERT_EQ(::setsockopt(fd, level, name, &hops, sizeof hops), 0);
  const UdpSocket server(opened.hand_over(), {});
  EXPECT_EQ(option(fd, SOL_SOCKET, SO_PRIORITY), priority);
  EXPECT_EQ(option(fd, level, name), hops);
  EXPECT_THAT(server.notes(), testing::IsEmpty());
}

// The process that gave the socket still has it, and may set options while it is in use.
TEST(UdpSocketInheritedDualStack, ControlDataThatWereCutAreTold) {
  const std::string reason = why_no_address(address_of("::1"));
  if (!reason.empty()) GTEST_SKIP() << reason;
  Opened opened(AF_INET6, SOCK_DGRAM);
  const int off = 0;
  ASSERT_EQ(::setsockopt(opened.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off), 0);
  opened.bind(address_of("::"));
  UdpSocketOptions options;
  options.gro = true;
  UdpSocket server(opened.hand_over(), options);
  UdpSocket client(address_of("127.0.0.1"), {});
  const SocketAddress asked = address_of("127.0.0.1", server.local_address().port());
  Inbox inbox(1, 16);
  for (const int on : {0, 1, 0}) {
    ASSERT_EQ(::setsockopt(server.descriptor(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on), 0);
    send_text(client, "request", asked);
    ASSERT_EQ(inbox.wait_and_receive(server).filled, 1U);
    EXPECT_EQ(inbox.text(0), "request");
    EXPECT_EQ(inbox.arrival(0).control_cut, on == 1);
    if (on == 0) {
      EXPECT_EQ(inbox.arrival(0).local.ip, asked.ip());
    }
  }
}

TEST(UdpSocketInheritedDualStack, TakesIpv4AsTheSocketDoes) {
  const std::string reason = why_no_address(address_of("::1"));
  if (!reason.empty()) GTEST_SKIP() << reason;
  for (const int only : {0, 1}) {
    Opened opened(AF_INET6, SOCK_DGRAM);
    ASSERT_EQ(::setsockopt(opened.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only), 0);
    opened.bind(address_of("::"));
    const UdpSocket server(opened.hand_over(), {});
    EXPECT_EQ(option(server.descriptor(), IPPROTO_IPV6, IPV6_RECVPKTINFO), 1);
    EXPECT_EQ(option(server.descriptor(), IPPROTO_IP, IP_PKTINFO), only == 1 ? 0 : 1);
  }
}

}  // namespace
}  // namespace cpss
