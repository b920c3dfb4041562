// How the datagrams of a UdpSocket travel: their sizes, whatever messages say of the path; the code
// point; packets of several datagrams, after the way out has refused one.
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/file_descriptor.h"
#include "net/offload_pause.h"
#include "net/udp_socket.h"
#include "tests/net/inbox.h"
#include "tests/support/eventually.h"
#include "tests/support/failing_calls.h"
#include "tests/support/run_isolated.h"

namespace cpss {
namespace {

// --- sizes ---

// The sum of a counter of this namespace over both families (proc_net(5)).
std::uint64_t counted(const std::string& v4_name, const std::string& v6_name) {
  std::uint64_t sum = 0;
  std::ifstream v6("/proc/thread-self/net/snmp6");
  for (std::string name, value; v6 >> name >> value;)
    if (name == v6_name) sum += std::stoull(value);
  std::ifstream v4("/proc/thread-self/net/snmp");
  std::string names;
  std::string values;
  while (std::getline(v4, names) && std::getline(v4, values)) {
    std::istringstream name(names);
    std::istringstream value(values);
    for (std::string n, v; name >> n && value >> v;)
      if (n == v4_name) sum += std::stoull(v);
  }
  return sum;
}

std::uint64_t fragments_made() {
  return counted("FragCreates", "Ip6FragCreates");
}

std::uint64_t too_big_heard() {
  return counted("InDestUnreachs", "Icmp6InPktTooBigs");
}

std::uint16_t checksum(const std::byte* data, std::size_t size) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < size; i += 2) {
    std::uint16_t word;
    std::memcpy(&word, data + i, sizeof word);
    sum += word;
  }
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

template <typename Value>
void append(std::vector<std::byte>& bytes, const Value& value) {
  const std::size_t at = bytes.size();
  bytes.resize(at + sizeof value);
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

udphdr udp_header(const SocketAddress& from, const SocketAddress& to) {
  udphdr udp{};
  udp.source = htons(from.port());
  udp.dest = htons(to.port());
  udp.len = htons(1000);
  return udp;
}

// Sends the message of a router on the way that finds a datagram `from` us `to` the other side too
// big.
void send_too_big(const SocketAddress& from, const SocketAddress& to, std::uint16_t mtu) {
  std::vector<std::byte> message;
  const bool v6 = from.family() == AF_INET6;
  if (v6) {
    icmp6_hdr icmp{};
    icmp.icmp6_type = ICMP6_PACKET_TOO_BIG;
    icmp.icmp6_mtu = htonl(mtu);
    append(message, icmp);
    ip6_hdr ip{};
    ip.ip6_vfc = 6 << 4;
    ip.ip6_plen = htons(1000);
    ip.ip6_nxt = IPPROTO_UDP;
    ip.ip6_hlim = 64;
    std::memcpy(&ip.ip6_src, from.ip().bytes.data(), sizeof ip.ip6_src);
    std::memcpy(&ip.ip6_dst, to.ip().bytes.data(), sizeof ip.ip6_dst);
    append(message, ip);
    append(message, udp_header(from, to));
  } else {
    icmphdr icmp{};
    icmp.type = ICMP_DEST_UNREACH;
    icmp.code = ICMP_FRAG_NEEDED;
    icmp.un.frag.mtu = htons(mtu);
    append(message, icmp);
    iphdr ip{};
    ip.version = 4;
    ip.ihl = 5;
    ip.tot_len = htons(1000);
    ip.frag_off = htons(IP_DF);
    ip.ttl = 64;
    ip.protocol = IPPROTO_UDP;
    std::memcpy(&ip.saddr, from.ip().bytes.data() + 12, sizeof ip.saddr);
    std::memcpy(&ip.daddr, to.ip().bytes.data() + 12, sizeof ip.daddr);
    append(message, ip);
    append(message, udp_header(from, to));
    const std::uint16_t sum = checksum(message.data(), message.size());
    std::memcpy(message.data() + offsetof(icmphdr, checksum), &sum, sizeof sum);
  }
  const FileDescriptor raw(::socket(from.family(), SOCK_RAW | SOCK_CLOEXEC,
                                    v6 ? int{IPPROTO_ICMPV6} : int{IPPROTO_ICMP}));
  SocketAddress route = from;
  route.set_port(0);
  ASSERT_EQ(::sendto(raw.get(), message.data(), message.size(), 0, route.data(), route.size()),
            static_cast<ssize_t>(message.size()))
      << std::strerror(errno);
}

// The number of fragments of a reply of that size; 0: it leaves whole. It arrives in any case.
std::uint64_t fragments_of_reply(UdpSocket& server, UdpSocket& client, const SocketAddress& to,
                                 std::size_t size) {
  const std::uint64_t before = fragments_made();
  EXPECT_EQ(send_text(server, std::string(size, 'r'), to).accepted, 1U);
  Inbox inbox(1, 4096);
  EXPECT_EQ(inbox.wait_and_receive(client).filled, 1U);
  EXPECT_EQ(inbox.arrival(0).length, size);
  return fragments_made() - before;
}

struct Path {
  const char* server;
  bool ipv6_only;
  const char* server_address;
  const char* client;
};

// The server's host, and its client's on the same link of 1,500 bytes.
class Link {
 public:
  Link() {
    other_.connect("here0", "there0");
    add_address("10.9.0.1/24", "here0");
    add_address("fd09::1/64", "here0");
    other_.inside([] {
      add_address("10.9.0.9/24", "there0");
      add_address("fd09::9/64", "there0");
    });
  }

  std::unique_ptr<UdpSocket> client(const char* ip) const {
    std::unique_ptr<UdpSocket> socket;
    other_.inside(
        [&] { socket = std::make_unique<UdpSocket>(address_of(ip), UdpSocketOptions{}); });
    return socket;
  }
  // Returns when this side has received the message.
  void forge(const SocketAddress& from, const SocketAddress& to, std::uint16_t mtu) const {
    const std::uint64_t before = too_big_heard();
    other_.inside([&] { send_too_big(from, to, mtu); });
    EXPECT_TRUE(eventually([&] { return too_big_heard() > before; }, std::chrono::seconds(20),
                           std::chrono::milliseconds(1)));
  }

 private:
  OtherNamespace other_;
};

TEST(UdpSocketPath, AForgedMessageMakesNoIpv4ReplySmaller) {
  run_isolated([] {
    const Link link;
    for (const Path& path : {Path{"10.9.0.1", true, "10.9.0.1", "10.9.0.9"},
                             Path{"0.0.0.0", true, "10.9.0.1", "10.9.0.9"},
                             Path{"::", false, "10.9.0.1", "10.9.0.9"}}) {
      SCOPED_TRACE(path.server);
      UdpSocketOptions options;
      options.ipv6_only = path.ipv6_only;
      UdpSocket server(address_of(path.server), options);
      const auto client = link.client(path.client);
      const SocketAddress from = address_of(path.server_address, server.local_address().port());
      // The peer's address as the server's socket knows it, v4-mapped or not.
      send_text(*client, "request", from);
      Inbox inbox(1, 16);
      ASSERT_EQ(inbox.wait_and_receive(server).filled, 1U);
      const SocketAddress to = inbox.arrival(0).peer;
      EXPECT_EQ(fragments_of_reply(server, *client, to, 1400), 0U);
      for (int i = 0; i < 3; ++i) link.forge(from, client->local_address(), 600);
      EXPECT_EQ(fragments_of_reply(server, *client, to, 1400), 0U);
      // Shows that the test can fail: a socket with default settings believes the message.
      const auto discover = [&](int how) {
        ASSERT_EQ(::setsockopt(server.descriptor(), IPPROTO_IP, IP_MTU_DISCOVER, &how, sizeof how),
                  0);
      };
      discover(IP_PMTUDISC_WANT);
      link.forge(from, client->local_address(), 600);
      EXPECT_EQ(fragments_of_reply(server, *client, to, 1400), 3U);
      // The path MTU that other sockets have learnt must not matter either.
      discover(IP_PMTUDISC_OMIT);
      EXPECT_EQ(fragments_of_reply(server, *client, to, 1400), 0U);
      ip_command("route flush cache");
    }
  });
}

TEST(UdpSocketPath, AForgedMessageMakesIpv6FragmentsOfNoLessThanEveryPathTakes) {
  run_isolated([] {
    const Link link;
    UdpSocket server(address_of("fd09::1"), {});
    const auto client = link.client("fd09::9");
    const SocketAddress to = client->local_address();
    EXPECT_EQ(fragments_of_reply(server, *client, to, 1400), 0U);
    for (const std::uint16_t mtu : {std::uint16_t{600}, std::uint16_t{1280}})
      link.forge(server.local_address(), to, mtu);
    EXPECT_EQ(fragments_of_reply(server, *client, to, 1400), 2U);
    EXPECT_EQ(fragments_of_reply(server, *client, to, 1232), 0U);
  });
}

// Only replies longer than the link's MTU leave in fragments, whatever MTU the socket was given.
TEST(UdpSocketPath, AnInheritedIpv6SocketCutsRepliesAsOursDo) {
  run_isolated([] {
    for (const char* own : {"::1", "::"})
      for (const int how : {IPV6_PMTUDISC_DO, IPV6_PMTUDISC_PROBE, IPV6_PMTUDISC_DONT}) {
        SCOPED_TRACE(std::string(own) + " " + std::to_string(how));
        const int fd = ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        const SocketAddress any_port = address_of(own);
        ASSERT_EQ(::bind(fd, any_port.data(), any_port.size()), 0);
        const int min = 1280;
        ASSERT_EQ(::setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &how, sizeof how), 0);
        ASSERT_EQ(::setsockopt(fd, IPPROTO_IPV6, IPV6_MTU, &min, sizeof min), 0);
        UdpSocket server(InheritedDescriptor{fd}, {});
        UdpSocket client(address_of("::1"), {});
        EXPECT_EQ(fragments_of_reply(server, client, client.local_address(), 1400), 0U);
        ip_command("link set lo mtu 1280");
        EXPECT_EQ(fragments_of_reply(server, client, client.local_address(), 1400), 2U);
        ip_command("link set lo mtu 65536");
      }
  });
}

// The client is behind a router whose other link takes 1,400 bytes. The router cuts IPv4; for IPv6
// it sends a message, and the server has to believe it.
TEST(UdpSocketPath, LongRepliesArriveOverANarrowPath) {
  run_isolated([] {
    const OtherNamespace router;
    const OtherNamespace far;
    router.connect("here0", "near0");
    router.inside([&] { far.connect("far0", "there0"); });
    add_address("10.9.0.1/24", "here0");
    add_address("fd09::1/64", "here0");
    router.inside([] {
      std::ofstream("/proc/sys/net/ipv4/ip_forward") << "1";
      std::ofstream("/proc/sys/net/ipv6/conf/all/forwarding") << "1";
      ip_command("link set far0 mtu 1400");
      for (const char* address : {"10.9.0.254/24", "fd09::fe/64"}) add_address(address, "near0");
      for (const char* address : {"10.8.0.254/24", "fd08::fe/64"}) add_address(address, "far0");
    });
    ip_command("route add default via 10.9.0.254");
    ip_command("-6 route add default via fd09::fe");
    std::unique_ptr<UdpSocket> v4_client;
    std::unique_ptr<UdpSocket> v6_client;
    far.inside([&] {
      ip_command("link set there0 mtu 1400");
      add_address("10.8.0.9/24", "there0");
      add_address("fd08::9/64", "there0");
      ip_command("route add default via 10.8.0.254");
      ip_command("-6 route add default via fd08::fe");
      v4_client = std::make_unique<UdpSocket>(address_of("10.8.0.9"), UdpSocketOptions{});
      v6_client = std::make_unique<UdpSocket>(address_of("fd08::9"), UdpSocketOptions{});
    });
    const std::string reply(1400, 'r');
    const auto arrives = [&](UdpSocket& server, UdpSocket& client, int tries) {
      for (int i = 0; i < tries; ++i) {
        EXPECT_EQ(send_text(server, reply, client.local_address()).accepted, 1U);
        Inbox inbox(1, 2048);
        if (inbox.wait_and_receive(client, 300).filled == 1) return true;
      }
      return false;
    };
    constexpr int kTries = 20;  // some are lost first, one or more to look up the next hop
    UdpSocket v4(address_of("10.9.0.1"), {});
    UdpSocket v6(address_of("fd09::1"), {});
    EXPECT_TRUE(arrives(v4, *v4_client, kTries));
    EXPECT_TRUE(arrives(v6, *v6_client, kTries));
    // If the message is ignored, none arrives. First takes the late ones, which were sent before.
    Inbox late(1, 2048);
    while (late.wait_and_receive(*v6_client, 300).filled == 1) {
    }
    const int omit = IPV6_PMTUDISC_OMIT;
    ASSERT_EQ(::setsockopt(v6.descriptor(), IPPROTO_IPV6, IPV6_MTU_DISCOVER, &omit, sizeof omit),
              0);
    EXPECT_FALSE(arrives(v6, *v6_client, 3));
  });
}

// --- the code point ---

// The traffic class of the next datagram; -1: none came.
int traffic_class_of_next(UdpSocket& socket) {
  pollfd readable{socket.descriptor(), POLLIN, 0};
  if (::poll(&readable, 1, 2000) != 1) return -1;
  std::array<std::byte, 16> bytes;
  iovec vector{bytes.data(), bytes.size()};
  alignas(cmsghdr) std::array<std::byte, 256> control;
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  if (::recvmsg(socket.descriptor(), &header, MSG_DONTWAIT) < 0) return -1;
  int value = -1;
  for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
    if (item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_TOS)
      value = std::to_integer<int>(*reinterpret_cast<const std::byte*>(CMSG_DATA(item)));
    if (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_TCLASS)
      std::memcpy(&value, CMSG_DATA(item), sizeof value);
  }
  return value;
}

void expect_traffic_class(UdpSocket& server, const char* client_ip, int expected) {
  SCOPED_TRACE(server.local_address().to_string() + std::string(" to ") + client_ip);
  UdpSocket client(address_of(client_ip), {});
  const int on = 1;
  ::setsockopt(client.descriptor(), IPPROTO_IP, IP_RECVTOS, &on, sizeof on);
  ::setsockopt(client.descriptor(), IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof on);
  ASSERT_EQ(send_text(server, "reply", client.local_address()).accepted, 1U);
  EXPECT_EQ(traffic_class_of_next(client), expected);
}

TEST(UdpSocketPath, RepliesHaveTheCodePointThatWasAskedFor) {
  const std::string reason = why_no_address(address_of("::1"));
  if (!reason.empty()) GTEST_SKIP() << reason;
  for (const unsigned dscp : {0U, 46U, 63U}) {
    UdpSocketOptions options;
    options.dscp = dscp;
    const int expected = static_cast<int>(dscp * 4);
    UdpSocket v4(address_of("127.0.0.1"), options);
    expect_traffic_class(v4, "127.0.0.1", expected);
    UdpSocket v6(address_of("::1"), options);
    expect_traffic_class(v6, "::1", expected);
    options.ipv6_only = false;
    UdpSocket dual(address_of("::"), options);
    expect_traffic_class(dual, "::1", expected);
    // An IPv6 socket names an IPv4 peer by its v4-mapped address.
    UdpSocket client(address_of("127.0.0.1"), {});
    const int on = 1;
    ::setsockopt(client.descriptor(), IPPROTO_IP, IP_RECVTOS, &on, sizeof on);
    send_text(client, "request", address_of("127.0.0.1", dual.local_address().port()));
    Inbox inbox(1, 16);
    ASSERT_EQ(inbox.wait_and_receive(dual).filled, 1U);
    ASSERT_EQ(send_text(dual, "reply", inbox.arrival(0).peer).accepted, 1U);
    EXPECT_EQ(traffic_class_of_next(client), expected);
  }
}

// The giver of an inherited socket decides, unless the server is told a code point.
TEST(UdpSocketPath, AnInheritedSocketKeepsItsCodePointUnlessOneIsAskedFor) {
  for (const std::optional<unsigned> dscp : {std::optional<unsigned>(), std::optional(10U)}) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const SocketAddress any_port = address_of("127.0.0.1");
    ASSERT_EQ(::bind(fd, any_port.data(), any_port.size()), 0);
    const int given = 46 * 4;
    ASSERT_EQ(::setsockopt(fd, IPPROTO_IP, IP_TOS, &given, sizeof given), 0);
    UdpSocketOptions options;
    options.dscp = dscp;
    UdpSocket server(InheritedDescriptor{fd}, options);
    expect_traffic_class(server, "127.0.0.1", dscp ? 40 : given);
  }
}

// --- packets of several datagrams ---

// The device or IPsec that refused a packet may be gone later, or not be on the next reply's way.
TEST(UdpSocketPath, ARefusalOfPacketsIsNotForEver) {
  UdpSocketOptions options;
  options.gro = options.gso = true;
  UdpSocket server(address_of("127.0.0.1"), options);
  UdpSocket client(address_of("127.0.0.1"), options);
  if (server.max_segments() == 1 || !client.merges()) GTEST_SKIP() << "this kernel has no offload";
  const SocketAddress to = client.local_address();
  const std::string text = "reply";
  const std::vector<OutgoingDatagram> datagrams(
      3, {reinterpret_cast<const std::byte*>(text.data()), text.size(), &to, nullptr});
  // 1 if they come as one arrival, 3 if one by one.
  const auto arrivals = [&] {
    EXPECT_EQ(server.send(datagrams).accepted, 3U);
    std::size_t came = 0;
    for (std::uint64_t in_them = 0; in_them < 3; ++came) {
      Inbox inbox(1, 64);
      if (inbox.wait_and_receive(client).filled != 1) break;
      in_them += inbox.arrival(0).datagrams();
    }
    return came;
  };
  EXPECT_EQ(arrivals(), 1U);
  const auto before = std::chrono::steady_clock::now();
  std::thread([&] {
    test::let_calls_fail({SYS_sendmmsg}, EIO);
    EXPECT_EQ(server.send(datagrams).error, EIO);
  }).join();
  if (arrivals() == 1U) {
    EXPECT_GE(std::chrono::steady_clock::now() - before, OffloadPause::kLength) << "too soon";
  }
  EXPECT_TRUE(eventually([&] { return arrivals() == 1U; }));
}

}  // namespace
}  // namespace cpss
