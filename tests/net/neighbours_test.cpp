#include "net/neighbours.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include "net/udp_socket.h"
#include "tests/net/inbox.h"
#include "tests/support/eventually.h"
#include "tests/support/failing_calls.h"
#include "tests/support/run_isolated.h"

namespace cpss {
namespace {

std::optional<Reach> reach_of(const Neighbours& neighbours, const std::string& text) {
  const IpAddress ip = IpAddress::parse(text).value();
  std::optional<Reach> best;
  for (const Neighbours::Entry& entry : neighbours.entries)
    if (entry.ip == ip && (!best || entry.reach < *best)) best = entry.reach;
  return best;
}

bool has_network_of(const Neighbours& neighbours, const std::string& text) {
  return std::any_of(
      neighbours.networks.begin(), neighbours.networks.end(),
      [&](const Prefix& one) { return one.contains(IpAddress::parse(text).value()); });
}

TEST(NeighboursTest, HereItCanBeRead) {
  const Neighbours here = NeighbourReader().read();
  EXPECT_EQ(reach_of(here, "127.0.0.1"), Reach::open);
  EXPECT_FALSE(has_network_of(here, "127.0.0.2")) << "nobody is asked for there";
}

TEST(NeighboursTest, TellsWhoAnswersFromWhoDoesNot) {
  run_isolated([] {
    OtherNamespace other;
    other.connect("here0", "there0");
    add_address("10.9.0.1/24", "here0");
    add_address("fd09::1/64", "here0");
    other.inside([] {
      add_address("10.9.0.9/24", "there0");
      add_address("fd09::9/64", "there0");
    });
    for (const char* own : {"10.9.0.1", "fd09::1"}) {
      SCOPED_TRACE(own);
      const std::string network = std::string(own).substr(0, std::string(own).size() - 1);
      UdpSocket socket({IpAddress::parse(own).value(), 0}, {});
      const std::byte payload{1};
      for (const char* last : {"9", "5"}) {
        const SocketAddress peer(IpAddress::parse(network + last).value(), 9);
        const OutgoingDatagram datagram{&payload, 1, &peer, nullptr};
        ASSERT_EQ(socket.send({&datagram, 1}).error, 0);
      }
      EXPECT_TRUE(eventually(
          [&] { return reach_of(NeighbourReader().read(), network + "9") == Reach::open; }));
      EXPECT_TRUE(eventually(
          [&] { return reach_of(NeighbourReader().read(), network + "5") == Reach::silent; }));
      const Neighbours now = NeighbourReader().read();
      EXPECT_EQ(reach_of(now, own), Reach::open) << "ourselves";
      EXPECT_EQ(reach_of(now, network + "6"), std::nullopt) << "nobody has asked for it";
      EXPECT_TRUE(has_network_of(now, network + "6"));
      // Datagrams that cannot leave are charged to the socket, and no others.
      EXPECT_GT(socket.send_buffer_use().taken, 0u);
      EXPECT_GT(socket.send_buffer_use().size, socket.send_buffer_use().taken);
    }
    EXPECT_FALSE(has_network_of(NeighbourReader().read(), "10.8.0.1"));
  });
}

// The kernel has only just asked for this neighbour.
TEST(NeighboursTest, WhoWasJustAskedForIsNotSilent) {
  run_isolated([] {
    OtherNamespace other;
    other.connect("here0", "there0");
    add_address("10.9.0.1/24", "here0");
    UdpSocket socket({IpAddress::parse("10.9.0.1").value(), 0}, {});
    const std::byte payload{1};
    const SocketAddress peer(IpAddress::parse("10.9.0.5").value(), 9);
    const OutgoingDatagram datagram{&payload, 1, &peer, nullptr};
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_EQ(socket.send({&datagram, 1}).error, 0);
    const auto reach = reach_of(NeighbourReader().read(), "10.9.0.5");
    if (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(80)) {
      EXPECT_EQ(reach, std::nullopt);
    }
  });
}

TEST(NeighboursTest, MoreThanOnePartOfAnAnswer) {
  run_isolated([] {
    OtherNamespace other;
    other.connect("here0", "there0");
    add_address("10.9.0.1/16", "here0");
    UdpSocket socket({IpAddress::parse("10.9.0.1").value(), 0}, {});
    constexpr std::size_t kPeers = 400;  // of about 100 bytes each
    const std::byte payload{1};
    for (std::size_t i = 0; i < kPeers; ++i) {
      IpAddress ip = IpAddress::parse("10.9.1.0").value();
      ip.bytes[14] = static_cast<std::uint8_t>(1 + i / 200);
      ip.bytes[15] = static_cast<std::uint8_t>(1 + i % 200);
      const SocketAddress peer(ip, 9);
      const OutgoingDatagram datagram{&payload, 1, &peer, nullptr};
      ASSERT_EQ(socket.send({&datagram, 1}).error, 0) << i;
    }
    EXPECT_TRUE(eventually([&] {
      const Neighbours now = NeighbourReader().read();
      return std::count_if(now.entries.begin(), now.entries.end(), [](const auto& entry) {
               return entry.reach == Reach::silent;
             }) == kPeers;
    }));
  });
}

// As where a router announces the network and addresses come by DHCPv6.
TEST(NeighboursTest, NetworksMayBeThereByARouteAlone) {
  run_isolated([] {
    OtherNamespace other;
    other.connect("here0", "there0");
    add_address("10.9.0.1/32", "here0");
    add_address("fd09::1/128", "here0");
    ip_command("route add 10.9.0.0/24 dev here0");
    ip_command("-6 route add fd09::/64 dev here0");
    ip_command("route add 10.7.0.0/24 via 10.9.0.9");
    ip_command("-6 route add fd07::/64 via fd09::9");
    ip_command("route add 10.6.0.0/24 dev lo");
    const Neighbours now = NeighbourReader().read();
    for (const char* neighbour : {"10.9.0.77", "fd09::77"})
      EXPECT_TRUE(has_network_of(now, neighbour)) << neighbour;
    for (const char* other_one : {"10.7.0.1", "fd07::1", "10.6.0.1", "192.0.2.1", "2001:db8::1"})
      EXPECT_FALSE(has_network_of(now, other_one)) << other_one;
  });
}

// Each link has fe80::/64, a container host very many of them.
TEST(NeighboursTest, EachNetworkIsThereOnceAndTheWidestFirst) {
  run_isolated([] {
    OtherNamespace other;
    for (const char* number : {"0", "1", "2"}) {
      other.connect(std::string("here") + number, std::string("there") + number);
      for (const char* ip : {"fe80::1:", "10.9.0."})
        add_address(std::string(ip) + number + (ip[0] == 'f' ? "/64" : "/24"),
                    std::string("here") + number);
    }
    add_address("10.8.1.1/16", "here0");
    const Neighbours now = NeighbourReader().read();
    const std::vector<Prefix> expected{Prefix::make("fe80::", 64).value(),
                                       Prefix::make("10.8.0.0", 16).value(),
                                       Prefix::make("10.9.0.0", 24).value()};
    EXPECT_EQ(now.networks, expected);
  });
}

TEST(NeighboursTest, WhatTheKernelDoesNotTellIsAnError) {
  std::thread([] {
    test::let_calls_fail({SYS_recvfrom}, ENOBUFS);
    EXPECT_THROW(NeighbourReader().read(), std::system_error);
    EXPECT_THROW(link_routes(), std::system_error);
  }).join();
}

}  // namespace
}  // namespace cpss
