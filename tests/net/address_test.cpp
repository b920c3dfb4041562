#include "net/address.h"

#include <cstring>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>

#include "tests/support/ip.h"

namespace cpss {
namespace {

using test::ip;

SocketAddress at(std::string_view text, std::uint16_t port) {
  return {ip(text), port};
}

TEST(SocketAddress, HasTheKernelsForm) {
  const SocketAddress v4 = at("192.0.2.7", 7700);
  sockaddr_in raw4{};
  ASSERT_EQ(v4.size(), sizeof raw4);
  std::memcpy(&raw4, v4.data(), sizeof raw4);
  EXPECT_EQ(raw4.sin_family, AF_INET);
  EXPECT_EQ(raw4.sin_port, htons(7700));
  EXPECT_EQ(raw4.sin_addr.s_addr, inet_addr("192.0.2.7"));

  const SocketAddress v6 = at("2001:db8::7", 7700);
  sockaddr_in6 raw6{};
  ASSERT_EQ(v6.size(), sizeof raw6);
  std::memcpy(&raw6, v6.data(), sizeof raw6);
  EXPECT_EQ(raw6.sin6_family, AF_INET6);
  EXPECT_EQ(raw6.sin6_port, htons(7700));
  EXPECT_EQ(std::memcmp(&raw6.sin6_addr, ip("2001:db8::7").bytes.data(), 16), 0);
}

TEST(SocketAddress, KeepsWhatTheKernelGave) {
  for (const SocketAddress& address : {at("192.0.2.7", 1), at("2001:db8::7", 65535)}) {
    const auto copy = SocketAddress::from(address.data(), address.size());
    EXPECT_EQ(copy, address);
    EXPECT_EQ(copy.family(), address.family());
    EXPECT_EQ(copy.ip(), address.ip());
    EXPECT_EQ(copy.port(), address.port());
  }
}

TEST(SocketAddress, RefusesIncompleteOnes) {
  const SocketAddress v4 = at("192.0.2.7", 1);
  const SocketAddress v6 = at("2001:db8::7", 1);
  EXPECT_EQ(SocketAddress::from(v4.data(), v4.size() - 1).family(), AF_UNSPEC);
  EXPECT_EQ(SocketAddress::from(v6.data(), v6.size() - 1).family(), AF_UNSPEC);
  EXPECT_EQ(SocketAddress::from(v4.data(), 0).family(), AF_UNSPEC);
  sockaddr other{};
  other.sa_family = AF_UNIX;
  EXPECT_EQ(SocketAddress::from(&other, sizeof other).family(), AF_UNSPEC);
}

TEST(SocketAddress, NoneHasNoSizeAndEqualsOnlyNone) {
  EXPECT_EQ(SocketAddress().size(), 0U);
  EXPECT_EQ(SocketAddress(), SocketAddress());
  EXPECT_FALSE(SocketAddress() == at("::", 0));
  EXPECT_FALSE(at("0.0.0.0", 0) == SocketAddress());
}

TEST(SocketAddress, MappedPeerEqualsTheV4PeerItStandsFor) {
  sockaddr_in6 mapped{};
  mapped.sin6_family = AF_INET6;
  mapped.sin6_port = htons(5060);
  mapped.sin6_flowinfo = htonl(7);
  mapped.sin6_scope_id = 3;
  std::memcpy(&mapped.sin6_addr, ip("192.0.2.7").bytes.data(), 16);
  const auto peer = SocketAddress::from(reinterpret_cast<const sockaddr*>(&mapped), sizeof mapped);
  EXPECT_EQ(peer.family(), AF_INET6);
  EXPECT_EQ(peer, at("192.0.2.7", 5060));
  EXPECT_FALSE(peer == at("192.0.2.7", 5061));
  EXPECT_FALSE(peer == at("192.0.2.8", 5060));
  EXPECT_EQ(peer.to_string(), "192.0.2.7:5060");
}

TEST(SocketAddress, PrintsAndTakesAPort) {
  SocketAddress address = at("::1", 7700);
  EXPECT_EQ(address.to_string(), "[::1]:7700");
  address.set_port(65535);
  EXPECT_EQ(address.to_string(), "[::1]:65535");
  EXPECT_EQ(at("127.0.0.1", 0).to_string(), "127.0.0.1:0");
}

TEST(SocketAddress, ALinkLocalOneShowsItsInterface) {
  const std::uint32_t lo = if_nametoindex("lo");
  const SocketAddress address(ip("fe80::1"), 7700, lo);
  EXPECT_EQ(address.interface(), lo);
  EXPECT_EQ(address.to_string(), "[fe80::1%lo]:7700");
  EXPECT_EQ(SocketAddress(ip("fe80::1"), 7700, 999'999'999).to_string(),
            "[fe80::1%999999999]:7700");
  EXPECT_EQ(at("fe80::1", 7700).to_string(), "[fe80::1]:7700");
  EXPECT_EQ(at("2001:db8::1", 7700).interface(), 0U);
  EXPECT_EQ(at("192.0.2.1", 7700).interface(), 0U);
  EXPECT_EQ(address, at("fe80::1", 7700));
}

TEST(Prefix, OfAnInterfaceContainsWhatIsOnItsLinkOnly) {
  const std::uint32_t lo = if_nametoindex("lo");
  const auto prefix = Prefix::make("fe80::%lo", 64);
  ASSERT_TRUE(prefix);
  EXPECT_TRUE(prefix->contains(SocketAddress(ip("fe80::7"), 1, lo)));
  EXPECT_FALSE(prefix->contains(SocketAddress(ip("fe80::7"), 1, lo + 1)));
  EXPECT_FALSE(prefix->contains(at("fe80::7", 1)));
  EXPECT_TRUE(Prefix::make("fe80::", 64)->contains(SocketAddress(ip("fe80::7"), 1, lo)));
  const auto nowhere = Prefix::make("fe80::%no-such", 64);
  ASSERT_TRUE(nowhere);
  EXPECT_FALSE(nowhere->contains(SocketAddress(ip("fe80::7"), 1, lo)));
  EXPECT_FALSE(nowhere->contains(at("fe80::7", 1)));
  EXPECT_FALSE(Prefix::make("2001:db8::%lo", 64));
}

struct Containment {
  const char* prefix;
  unsigned length;
  const char* address;
  bool contained;
};

class PrefixContains : public testing::TestWithParam<Containment> {};

TEST_P(PrefixContains, AddressesThatShareItsBits) {
  const Containment& c = GetParam();
  const auto prefix = Prefix::make(c.prefix, c.length);
  ASSERT_TRUE(prefix);
  EXPECT_EQ(prefix->contains(ip(c.address)), c.contained)
      << c.prefix << "/" << c.length << " " << c.address;
  EXPECT_EQ(PrefixSet({*prefix}).contains(at(c.address, 1)), c.contained);
}

INSTANTIATE_TEST_SUITE_P(All, PrefixContains,
                         testing::Values(Containment{"10.0.0.0", 8, "10.255.255.255", true},
                                         Containment{"10.0.0.0", 8, "11.0.0.0", false},
                                         Containment{"10.0.0.0", 8, "9.255.255.255", false},
                                         Containment{"10.0.0.0", 8, "::ffff:10.1.2.3", true},
                                         Containment{"10.1.2.3", 8, "10.9.9.9",
                                                     true},  // bits beyond the length do not count
                                         Containment{"192.0.2.128", 25, "192.0.2.128", true},
                                         Containment{"192.0.2.128", 25, "192.0.2.127", false},
                                         Containment{"192.0.2.1", 32, "192.0.2.1", true},
                                         Containment{"192.0.2.1", 32, "192.0.2.0", false},
                                         Containment{"192.0.2.1", 31, "192.0.2.0", true},
                                         Containment{"0.0.0.0", 0, "255.255.255.255", true},
                                         Containment{"0.0.0.0", 0, "::1", false},
                                         Containment{"::", 0, "2001:db8::1", true},
                                         Containment{"::", 0, "192.0.2.1", false},  // IPv6 only
                                         Containment{"::", 95, "192.0.2.1", false},
                                         Containment{"::ffff:10.0.0.0", 104, "10.1.1.1", true},
                                         Containment{"2001:db8::", 33, "2001:db8:7fff::", true},
                                         Containment{"2001:db8::", 33, "2001:db8:8000::", false},
                                         Containment{"2001:db8::1", 128, "2001:db8::1", true},
                                         Containment{"2001:db8::1", 128, "2001:db8::", false}));

TEST(Prefix, RefusesBadLengthsAndAddresses) {
  EXPECT_FALSE(Prefix::make("10.0.0.0", 33));
  EXPECT_FALSE(Prefix::make("::", 129));
  EXPECT_FALSE(Prefix::make("10.0.0", 8));
  EXPECT_FALSE(Prefix::make("", 0));
}

TEST(PrefixSet, ContainsWhatAnyOfItsPrefixesContains) {
  const PrefixSet set({*Prefix::make("10.0.0.0", 8), *Prefix::make("2001:db8::", 32)});
  EXPECT_FALSE(set.empty());
  EXPECT_TRUE(set.contains(at("10.1.1.1", 1)));
  EXPECT_TRUE(set.contains(at("2001:db8::1", 1)));
  EXPECT_FALSE(set.contains(at("192.0.2.1", 1)));
  EXPECT_TRUE(PrefixSet().empty());
  EXPECT_FALSE(PrefixSet().contains(at("10.1.1.1", 1)));
}

}  // namespace
}  // namespace cpss
