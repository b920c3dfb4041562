// UdpSocket between two network namespaces: several addresses, routes, groups, forged senders.
#include <cerrno>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "net/local_addresses.h"
#include "net/udp_socket.h"
#include "tests/net/inbox.h"
#include "tests/support/run_isolated.h"

namespace cpss {
namespace {

class UdpSocketNetwork : public testing::Test {
 protected:
  void SetUp() override {
    const std::string reason = why_no_address(address_of("::1"));
    if (!reason.empty()) GTEST_SKIP() << reason;  // these tests use both families
  }
};

constexpr int kSoonMs = 200;  // long enough on a virtual wire to see that nothing comes

// The server's side is here, its clients' side is `there`, one wire between.
class Wire {
 public:
  Wire() {
    other_.connect("here0", "there0");
    for (const char* own : {"10.9.0.1/24", "10.9.0.2/24", "fd09::1/64", "fd09::2/64"})
      add_address(own, "here0");
    other_.inside([] {
      ip_command("address add 10.9.0.9/24 broadcast 10.9.0.255 dev there0");
      add_address("fd09::9/64", "there0");
    });
  }

  const OtherNamespace& there() const { return other_; }

  std::unique_ptr<UdpSocket> client(const SocketAddress& address, bool offload = false) const {
    std::unique_ptr<UdpSocket> socket;
    there().inside([&] {
      UdpSocketOptions options;
      options.gro = options.gso = offload;
      socket = std::make_unique<UdpSocket>(address, options);
      const int on = 1;
      ::setsockopt(socket->descriptor(), SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
    });
    return socket;
  }

 private:
  OtherNamespace other_;
};

std::unique_ptr<UdpSocket> wildcard(const char* ip, bool ipv6_only = true, bool offload = false) {
  return std::make_unique<UdpSocket>(address_of(ip),
                                     UdpSocketOptions{1 << 20, ipv6_only, offload, offload});
}

void expect_reply_from_the_address_asked(UdpSocket& server, UdpSocket& client, const char* ip) {
  SCOPED_TRACE(std::string(ip) + " at " + server.local_address().to_string());
  const SocketAddress asked = address_of(ip, server.local_address().port());
  ASSERT_EQ(send_text(client, "request", asked).accepted, 1U);
  Inbox inbox(2, 16);
  ASSERT_EQ(inbox.wait_and_receive(server).filled, 1U);
  const Arrival arrival = inbox.arrival(0);
  EXPECT_EQ(arrival.peer, client.local_address());
  EXPECT_EQ(arrival.local.ip, asked.ip());
  EXPECT_EQ(arrival.local.interface, 0U);
  EXPECT_FALSE(arrival.to_group);
  ASSERT_EQ(send_text(server, "reply", arrival.peer, arrival.local).accepted, 1U);
  ASSERT_EQ(inbox.wait_and_receive(client).filled, 1U);
  EXPECT_EQ(inbox.arrival(0).peer, asked);
}

TEST_F(UdpSocketNetwork, RepliesFromEitherOfTwoAddresses) {
  run_isolated([] {
    const Wire wire;
    const auto v4_client = wire.client(address_of("10.9.0.9"));
    const auto v6_client = wire.client(address_of("fd09::9"));
    const auto v4 = wildcard("0.0.0.0");
    const auto v6 = wildcard("::");
    const auto dual = wildcard("::", false);
    for (const char* ip : {"10.9.0.1", "10.9.0.2"}) {
      expect_reply_from_the_address_asked(*v4, *v4_client, ip);
      expect_reply_from_the_address_asked(*dual, *v4_client, ip);
    }
    for (const char* ip : {"fd09::1", "fd09::2"}) {
      expect_reply_from_the_address_asked(*v6, *v6_client, ip);
      expect_reply_from_the_address_asked(*dual, *v6_client, ip);
    }
  });
}

// Several requests in a packet, and as many replies of `reply_size`, from the address asked.
void expect_packets_there_and_back(UdpSocket& server, UdpSocket& client, const char* ip,
                                   std::size_t reply_size) {
  constexpr std::size_t kCount = 3;
  SCOPED_TRACE(std::string(ip) + " at " + server.local_address().to_string());
  const SocketAddress asked = address_of(ip, server.local_address().port());
  const auto datagrams = [&](const std::string& text, const SocketAddress& to,
                             const LocalAddress* from) {
    return std::vector<OutgoingDatagram>(
        kCount, {reinterpret_cast<const std::byte*>(text.data()), text.size(), &to, from});
  };
  ASSERT_EQ(client.send(datagrams("request", asked, nullptr)).accepted, kCount);
  Inbox inbox(2 * kCount, 16 << 10);
  ASSERT_EQ(inbox.wait_and_receive(server).filled, 1U) << "merged";
  const Arrival arrival = inbox.arrival(0);
  EXPECT_EQ(inbox.text(0), "requestrequestrequest");
  EXPECT_EQ(arrival.segment_size, 7U);
  EXPECT_EQ(arrival.peer, client.local_address());
  EXPECT_EQ(arrival.local.ip, asked.ip());

  const std::string reply(reply_size, 'r');
  const SendResult sent = server.send(datagrams(reply, arrival.peer, &arrival.local));
  ASSERT_EQ(sent.accepted, kCount) << sent.error;
  std::size_t replies = 0;
  for (int calls = 0; replies < kCount && calls < 10; ++calls) {
    const std::size_t filled = inbox.wait_and_receive(client).filled;
    for (std::size_t i = 0; i < filled; ++i) {
      EXPECT_EQ(inbox.arrival(i).peer, asked);
      for (std::size_t at = 0; at < inbox.text(i).size(); at += reply_size, ++replies)
        EXPECT_EQ(inbox.text(i).substr(at, reply_size), reply);
    }
  }
  EXPECT_EQ(replies, kCount);
}

TEST_F(UdpSocketNetwork, PacketsOfSeveralDatagramsKeepTheAddressAsked) {
  run_isolated([] {
    const Wire wire;
    const auto v4_client = wire.client(address_of("10.9.0.9"), true);
    const auto v6_client = wire.client(address_of("fd09::9"), true);
    const auto v4 = wildcard("0.0.0.0", true, true);
    const auto v6 = wildcard("::", true, true);
    const auto dual = wildcard("::", false, true);
    if (v4->max_segments() == 1 || !v4->merges()) GTEST_SKIP() << "this kernel has no offload";
    // The wire takes 1,500 bytes: a segment must not be longer (udp(7)); a longer datagram leaves
    // in fragments.
    for (const std::size_t reply_size : {200U, 2'000U}) {
      for (const char* ip : {"10.9.0.1", "10.9.0.2"}) {
        expect_packets_there_and_back(*v4, *v4_client, ip, reply_size);
        expect_packets_there_and_back(*dual, *v4_client, ip, reply_size);
      }
      for (const char* ip : {"fd09::1", "fd09::2"}) {
        expect_packets_there_and_back(*v6, *v6_client, ip, reply_size);
        expect_packets_there_and_back(*dual, *v6_client, ip, reply_size);
      }
    }
  });
}

// Addresses that belong to the host only by a route ("AnyIP").
TEST_F(UdpSocketNetwork, RepliesFromAnAddressThatIsLocalByARoute) {
  run_isolated([] {
    const Wire wire;
    ip_command("route add local 10.10.0.0/16 dev lo");
    ip_command("-6 route add local fd10::/64 dev lo");
    wire.there().inside([] {
      ip_command("route add 10.10.0.0/16 via 10.9.0.1");
      ip_command("-6 route add fd10::/64 via fd09::1");
    });
    const auto v4_client = wire.client(address_of("10.9.0.9"));
    const auto v6_client = wire.client(address_of("fd09::9"));
    for (const bool offload : {false, true}) {
      const auto v4 = wildcard("0.0.0.0", true, offload);
      const auto v6 = wildcard("::", true, offload);
      const auto dual = wildcard("::", false, offload);
      expect_reply_from_the_address_asked(*v4, *v4_client, "10.10.3.4");
      expect_reply_from_the_address_asked(*v6, *v6_client, "fd10::7");
      expect_reply_from_the_address_asked(*dual, *v4_client, "10.10.3.5");
      expect_reply_from_the_address_asked(*dual, *v6_client, "fd10::8");
    }
  });
}

TEST_F(UdpSocketNetwork, ListensOnALinkLocalAddressOfItsInterface) {
  run_isolated([] {
    OtherNamespace other;
    other.connect("here0", "there0");
    add_address("fe80::a/64", "here0");
    std::unique_ptr<UdpSocket> client;
    SocketAddress asked;
    const UdpSocket probe(address_of("::"), {});
    const std::uint32_t here = ::if_nametoindex("here0");
    UdpSocket server(SocketAddress(*IpAddress::parse("fe80::a"), 0, here), {});
    EXPECT_EQ(server.local_address().to_string(),
              "[fe80::a%here0]:" + std::to_string(server.local_address().port()));
    other.inside([&] {
      add_address("fe80::9/64", "there0");
      const std::uint32_t there = ::if_nametoindex("there0");
      client = std::make_unique<UdpSocket>(SocketAddress(*IpAddress::parse("fe80::9"), 0, there),
                                           UdpSocketOptions{});
      asked = SocketAddress(*IpAddress::parse("fe80::a"), server.local_address().port(), there);
    });
    ASSERT_EQ(send_text(*client, "request", asked).accepted, 1U);
    Inbox inbox(2, 16);
    ASSERT_EQ(inbox.wait_and_receive(server).filled, 1U);
    EXPECT_EQ(inbox.arrival(0).peer.ip(), *IpAddress::parse("fe80::9"));
    EXPECT_EQ(inbox.arrival(0).peer.interface(), here);
    ASSERT_EQ(send_text(server, "reply", inbox.arrival(0).peer).accepted, 1U);
    ASSERT_EQ(inbox.wait_and_receive(*client).filled, 1U);
    EXPECT_EQ(inbox.text(0), "reply");
    EXPECT_EQ(inbox.arrival(0).peer, asked);
  });
}

int code_of_bind(const SocketAddress& address, bool freebind) {
  UdpSocketOptions options;
  options.freebind = freebind;
  try {
    const UdpSocket socket(address, options);
    return 0;
  } catch (const SocketError& error) {
    return error.code();
  }
}

TEST_F(UdpSocketNetwork, ListensBeforeAnAddressIsThere) {
  run_isolated([] {
    for (const auto& [ip, network] :
         {std::pair("10.9.0.1", "10.9.0.1/24"), std::pair("fd09::1", "fd09::1/64")}) {
      SCOPED_TRACE(ip);
      EXPECT_EQ(code_of_bind(address_of(ip), false), EADDRNOTAVAIL);
      UdpSocketOptions options;
      options.freebind = true;
      UdpSocket server(address_of(ip), options);
      add_address(network, "lo");
      UdpSocket client(address_of(ip), {});
      send_text(client, "request", server.local_address());
      Inbox inbox(2, 16);
      ASSERT_EQ(inbox.wait_and_receive(server).filled, 1U);
      ASSERT_EQ(send_text(server, "reply", inbox.arrival(0).peer).accepted, 1U);
      EXPECT_EQ(inbox.wait_and_receive(client).filled, 1U);
    }
  });
}

// The error tells whether another try may succeed later.
TEST_F(UdpSocketNetwork, AnIpv6AddressWhereThereIsNoIpv6) {
  run_isolated([] {
    EXPECT_EQ(code_of_bind(address_of("fd09::1"), false), EADDRNOTAVAIL);
    EXPECT_EQ(code_of_bind(SocketAddress(*IpAddress::parse("fe80::1"), 0, 999), false), ENODEV);
    std::ofstream("/proc/sys/net/ipv6/conf/all/disable_ipv6") << "1";
    EXPECT_EQ(code_of_bind(address_of("fd09::1"), false), EAFNOSUPPORT);
    EXPECT_EQ(code_of_bind(address_of("::1"), false), EAFNOSUPPORT);
    EXPECT_EQ(code_of_bind(address_of("10.9.0.1"), false), EADDRNOTAVAIL);
  });
}

TEST_F(UdpSocketNetwork, RepliesToALinkLocalAddressThroughItsInterface) {
  run_isolated([] {
    OtherNamespace other;
    other.connect("here0", "there0");
    add_address("fe80::a/64", "here0");
    // A second interface with the same network: the address alone does not say through which to
    // reply.
    ip_command("link add spare0 type veth peer name spare1");
    ip_command("link set spare0 up");
    add_address("fe80::a/64", "spare0");
    std::unique_ptr<UdpSocket> client;
    sockaddr_in6 asked{};
    other.inside([&] {
      add_address("fe80::9/64", "there0");
      client = wildcard("::");
      asked.sin6_scope_id = ::if_nametoindex("there0");
    });
    const auto server = wildcard("::");
    asked.sin6_family = AF_INET6;
    asked.sin6_port = htons(server->local_address().port());
    const IpAddress ip = *IpAddress::parse("fe80::a");
    std::copy(ip.bytes.begin(), ip.bytes.end(), asked.sin6_addr.s6_addr);
    const auto to = SocketAddress::from(reinterpret_cast<const sockaddr*>(&asked), sizeof asked);
    ASSERT_EQ(send_text(*client, "request", to).accepted, 1U);

    Inbox inbox(2, 16);
    ASSERT_EQ(inbox.wait_and_receive(*server).filled, 1U);
    const Arrival arrival = inbox.arrival(0);
    EXPECT_EQ(arrival.local.ip, ip);
    EXPECT_EQ(arrival.local.interface, ::if_nametoindex("here0"));
    ASSERT_EQ(send_text(*server, "reply", arrival.peer, arrival.local).accepted, 1U);
    ASSERT_EQ(inbox.wait_and_receive(*client).filled, 1U);
    EXPECT_EQ(inbox.arrival(0).peer, to);
  });
}

void set_ipv4_switch(const std::string& interface, const std::string& name, int value) {
  std::ofstream("/proc/sys/net/ipv4/conf/" + interface + "/" + name) << value;
}

// The request comes by one wire, and the only way back is another one: a fixed interface would lose
// the reply, a fixed source address must not.
TEST_F(UdpSocketNetwork, RepliesThroughAnotherRoute) {
  run_isolated([] {
    OtherNamespace other;
    other.connect("here0", "there0");
    other.connect("here1", "there1");
    add_address("10.9.0.1/24", "here0");
    add_address("10.8.0.1/24", "here1");
    ip_command("route add 10.7.0.9/32 via 10.8.0.9 dev here1");
    for (const char* each : {"all", "here0", "here1"})  // else such a request is a martian
      set_ipv4_switch(each, "rp_filter", 0);
    std::unique_ptr<UdpSocket> client;
    other.inside([&] {
      add_address("10.9.0.9/24", "there0");
      add_address("10.8.0.9/24", "there1");
      add_address("10.7.0.9/32", "lo");
      for (const char* each : {"all", "there0", "there1"}) set_ipv4_switch(each, "rp_filter", 0);
      // As behind a router: the far address is not to be found on the first wire (ip-sysctl).
      set_ipv4_switch("there0", "arp_ignore", 1);
      set_ipv4_switch("there0", "arp_announce", 2);
      client = std::make_unique<UdpSocket>(address_of("10.7.0.9"), UdpSocketOptions{});
    });
    const auto server = wildcard("0.0.0.0");
    expect_reply_from_the_address_asked(*server, *client, "10.9.0.1");
    // Shows that the test can fail: with the interface fixed as well, no reply comes back.
    const LocalAddress fixed{*IpAddress::parse("10.9.0.1"), ::if_nametoindex("here0")};
    send_text(*server, "lost", client->local_address(), fixed);
    Inbox inbox(2, 16);
    EXPECT_EQ(inbox.wait_and_receive(*client, kSoonMs).filled, 0U);
  });
}

void expect_group(UdpSocket& server, UdpSocket& client, const SocketAddress& to, bool group) {
  SCOPED_TRACE(to.to_string() + " at " + server.local_address().to_string());
  ASSERT_EQ(send_text(client, "request", to).error, 0);
  Inbox inbox(2, 16);
  ASSERT_EQ(inbox.wait_and_receive(server).filled, 1U);
  EXPECT_EQ(inbox.arrival(0).to_group, group);
  EXPECT_FALSE(inbox.arrival(0).local.ip.is_multicast());
  EXPECT_FALSE(inbox.arrival(0).local.ip.is_broadcast());
}

TEST_F(UdpSocketNetwork, TellsBroadcastAndMulticastDestinations) {
  run_isolated([] {
    const Wire wire;
    wire.there().inside([] { ip_command("route add default dev there0"); });
    const auto v4_client = wire.client(address_of("10.9.0.9"));
    for (const bool dual : {false, true}) {
      const auto server = dual ? wildcard("::", false) : wildcard("0.0.0.0");
      const std::uint16_t port = server->local_address().port();
      // 224.0.0.1, all hosts: an IPv6 socket gets its datagrams only after it has joined the group.
      const ip_mreqn membership{{htonl(INADDR_ALLHOSTS_GROUP)},
                                {htonl(INADDR_ANY)},
                                static_cast<int>(::if_nametoindex("here0"))};
      ASSERT_EQ(::setsockopt(server->descriptor(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership,
                             sizeof membership),
                0);
      expect_group(*server, *v4_client, address_of("10.9.0.2", port), false);
      expect_group(*server, *v4_client, address_of("10.9.0.255", port), true);
      expect_group(*server, *v4_client, address_of("255.255.255.255", port), true);
      expect_group(*server, *v4_client, address_of("224.0.0.1", port), true);
    }
    const auto server = wildcard("::");
    const auto v6_client = wire.client(address_of("fd09::9"));
    const std::uint16_t port = server->local_address().port();
    int out = 0;
    wire.there().inside([&] { out = static_cast<int>(::if_nametoindex("there0")); });
    ::setsockopt(v6_client->descriptor(), IPPROTO_IPV6, IPV6_MULTICAST_IF, &out, sizeof out);
    expect_group(*server, *v6_client, address_of("fd09::2", port), false);
    expect_group(*server, *v6_client, address_of("ff02::1", port), true);  // all nodes
  });
}

TEST_F(UdpSocketNetwork, RefusesToListenOnABroadcastAddressOfANetwork) {
  run_isolated([] {
    const Wire wire;
    try {
      const UdpSocket socket(address_of("10.9.0.255"), {});
      ADD_FAILURE() << "bound";
    } catch (const SocketError& error) {
      EXPECT_EQ(error.code(), EINVAL);
    }
  });
}

// Their datagrams arrive; the receive stage refuses them.
TEST_F(UdpSocketNetwork, ShowsForgedSendersAsTheyAre) {
  run_isolated([] {
    UdpSocket server(address_of("127.0.0.1"), {});
    const SocketAddress own = server.local_address();
    const std::byte payload{1};
    Inbox inbox(4, 16);

    ASSERT_EQ(send_forged(address_of("127.0.0.5", 0), own, {&payload, 1}), 0);
    ASSERT_EQ(inbox.wait_and_receive(server).filled, 1U);
    EXPECT_EQ(inbox.arrival(0).peer, address_of("127.0.0.5", 0));
    EXPECT_EQ(send_text(server, "reply", inbox.arrival(0).peer).error, EINVAL);

    ASSERT_EQ(send_forged(own, own, {&payload, 1}), 0);
    ASSERT_EQ(inbox.wait_and_receive(server).filled, 1U);
    EXPECT_EQ(inbox.arrival(0).peer, own);
    EXPECT_EQ(inbox.arrival(0).length, 1U);
    EXPECT_TRUE(LocalAddressSet::of_this_host().contains(inbox.arrival(0).peer.ip()));
  });
}

// The kernel drops their datagrams before the socket (martian sources).
TEST_F(UdpSocketNetwork, ImpossibleSendersDoNotArrive) {
  run_isolated([] {
    const Wire wire;
    const auto server = wildcard("0.0.0.0");
    const SocketAddress to = address_of("10.9.0.1", server->local_address().port());
    Inbox inbox(4, 16);
    const auto arrivals_from = [&](const char* sender) {
      const std::byte payload{1};
      wire.there().inside([&] {
        EXPECT_EQ(send_forged(address_of(sender, 5), to, {&payload, 1}), 0) << sender;
      });
      return inbox.wait_and_receive(*server, kSoonMs).filled;
    };
    // The forger's packets do arrive if their sender is possible.
    ASSERT_EQ(arrivals_from("10.9.0.77"), 1U);
    EXPECT_EQ(inbox.arrival(0).peer, address_of("10.9.0.77", 5));

    for (const char* sender : {"255.255.255.255", "224.0.0.1", "127.0.0.1", "10.9.0.1", "10.9.0.2"})
      EXPECT_EQ(arrivals_from(sender), 0U) << sender;

    // Without reverse path filter Linux accepts the broadcast address of its own network as a
    // sender. It refuses each reply to it, and only that datagram.
    if (arrivals_from("10.9.0.255") == 1) {
      const Arrival arrival = inbox.arrival(0);
      for (int i = 0; i < 3; ++i)
        EXPECT_EQ(send_text(*server, "reply", arrival.peer, arrival.local).error, EACCES);
      EXPECT_EQ(arrivals_from("10.9.0.77"), 1U);
      EXPECT_EQ(send_text(*server, "reply", inbox.arrival(0).peer).error, 0);
    }
  });
}

// As in most containers: without IPv6 the socket serves IPv4 all the same.
TEST_F(UdpSocketNetwork, ASocketOfBothFamiliesIsTurnedAwayWithoutIpv6Too) {
  run_isolated([] {
    std::ofstream("/proc/sys/net/ipv6/conf/all/disable_ipv6") << "1";
    UdpSocketOptions options;
    options.ipv6_only = false;
    UdpSocket server(address_of("::"), options);
    UdpSocket client(address_of("127.0.0.1"), {});
    const SocketAddress to = address_of("127.0.0.1", server.local_address().port());
    send_text(client, "request", to);
    Inbox inbox(1, 16);
    ASSERT_EQ(inbox.wait_and_receive(server).filled, 1U);
    EXPECT_TRUE(server.turn_away());
    const int on = 1;
    ASSERT_EQ(::setsockopt(client.descriptor(), IPPROTO_IP, IP_RECVERR, &on, sizeof on), 0);
    send_text(client, "too late", to);
    EXPECT_EQ(inbox.wait_and_receive(client).error, ECONNREFUSED);
    EXPECT_EQ(inbox.receive(server).filled, 0U);
    options.ipv6_only = true;
    EXPECT_FALSE(UdpSocket(address_of("::"), options).turn_away());
  });
}

}  // namespace
}  // namespace cpss
