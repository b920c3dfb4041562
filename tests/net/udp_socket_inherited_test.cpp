// Sockets that another program opened, as a service manager does: what is taken over, and how.
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/udp_socket.h"
#include "tests/net/inbox.h"

namespace cpss {
namespace {

using testing::HasSubstr;

// Open as the other program left it: without close-on-exec. What became a UdpSocket's is its own.
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
    EXPECT_THAT(refusal_of(group, EADDRNOTAVAIL), HasSubstr("broadcast or multicast"));
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
    EXPECT_EQ(server.most_segments(), ours.most_segments());
  }
  EXPECT_LT(::fcntl(fd, F_GETFD), 0) << "closed with the object";
}

// Its opener may have been allowed a larger one than we are.
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

// The datagram that made the manager start us came before anybody asked for IP_PKTINFO.
TEST_P(UdpSocketInheritedTest, WhatWaitsAtAWildcardIsAnsweredFromTheAddressAsked) {
  Opened opened(wildcard());
  UdpSocket client(any_port(), {});
  SocketAddress asked = any_port();
  asked.set_port(name_of(opened.get()).port());
  send_text(client, "before", asked);
  UdpSocket server(opened.hand_over(), {});
  send_text(client, "after", asked);

  Inbox inbox(4, 16);
  ASSERT_EQ(inbox.wait_and_receive(server).filled, 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    const Arrival& arrival = inbox.arrival(i);
    EXPECT_EQ(arrival.local.ip, asked.ip()) << inbox.text(i);
    EXPECT_FALSE(arrival.to_group) << inbox.text(i);
    EXPECT_EQ(send_text(server, "reply", arrival.peer, arrival.local).accepted, 1U);
  }
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
