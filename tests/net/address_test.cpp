#include "net/address.h"

#include <cstring>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>

namespace cpss {
namespace {

IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}
SocketAddress at(std::string_view text, std::uint16_t port) {
  return {ip(text), port};
}

TEST(IpAddress, ParsesAndPrints) {
  for (const char* text :
       {"0.0.0.0", "127.0.0.1", "255.255.255.255", "192.0.2.7", "::", "::1", "2001:db8::7",
        "fe80::1", "ff02::1", "2001:db8:1234:5678:9abc:def0:1234:5678"})
    EXPECT_EQ(ip(text).to_string(), text);
}

TEST(IpAddress, RefusesWhatIsNotAnAddress) {
  for (const char* text : {"", " ", "1.2.3", "1.2.3.4.5", "256.0.0.1", "1.2.3.4 ", " 1.2.3.4",
                           "1.2.3.4:5", "[::1]", "::1::", "fe80::1%lo", "localhost",
                           "12345::", "2001:db8:1234:5678:9abc:def0:1234:5678:9abc:def0:1234:5678"})
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0", 8)));
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0x", 9)));
}

TEST(IpAddress, ParsesOnlyTheViewNotWhatFollowsIt) {
  EXPECT_EQ(ip(std::string_view("1.2.3.45", 7)), ip("1.2.3.4"));
}

TEST(IpAddress, MappedIsTheSameAsV4) {
  EXPECT_EQ(ip("::ffff:192.0.2.7"), ip("192.0.2.7"));
  EXPECT_TRUE(ip("::ffff:192.0.2.7").is_v4());
  EXPECT_EQ(ip("::ffff:192.0.2.7").to_string(), "192.0.2.7");
  EXPECT_FALSE(ip("::192.0.2.7").is_v4());
  EXPECT_FALSE(ip("::fffe:c000:207").is_v4());
}

struct Kind {
  const char* text;
  bool unspecified, loopback, multicast, broadcast;
};

class IpAddressKind : public testing::TestWithParam<Kind> {};

TEST_P(IpAddressKind, IsTold) {
  const Kind& kind = GetParam();
  EXPECT_EQ(ip(kind.text).is_unspecified(), kind.unspecified);
  EXPECT_EQ(ip(kind.text).is_loopback(), kind.loopback);
  EXPECT_EQ(ip(kind.text).is_multicast(), kind.multicast);
  EXPECT_EQ(ip(kind.text).is_broadcast(), kind.broadcast);
}

INSTANTIATE_TEST_SUITE_P(All, IpAddressKind,
                         testing::Values(Kind{"0.0.0.0", true, false, false, false},
                                         Kind{"::", true, false, false, false},
                                         Kind{"0.0.0.1", false, false, false, false},
                                         Kind{"1.0.0.0", false, false, false, false},
                                         Kind{"126.255.255.255", false, false, false, false},
                                         Kind{"127.0.0.0", false, true, false, false},
                                         Kind{"127.255.255.255", false, true, false, false},
                                         Kind{"128.0.0.0", false, false, false, false},
                                         Kind{"::1", false, true, false, false},
                                         Kind{"::2", false, false, false, false},
                                         Kind{"1::1", false, false, false, false},
                                         Kind{"::ffff:127.0.0.1", false, true, false, false},
                                         Kind{"223.255.255.255", false, false, false, false},
                                         Kind{"224.0.0.0", false, false, true, false},
                                         Kind{"239.255.255.255", false, false, true, false},
                                         Kind{"240.0.0.0", false, false, false, false},
                                         Kind{"ff00::", false, false, true, false},
                                         Kind{"feff::", false, false, false, false},
                                         Kind{"255.255.255.255", false, false, false, true},
                                         Kind{"255.255.255.254", false, false, false, false}));

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

TEST(ScopedAddress, HasAnInterfaceWhereItIsLinkLocal) {
  const auto scoped = ScopedAddress::parse("fe80::1%eth0");
  ASSERT_TRUE(scoped);
  EXPECT_EQ(scoped->ip, ip("fe80::1"));
  EXPECT_EQ(scoped->interface, "eth0");
  EXPECT_EQ(ScopedAddress::parse("FEBF::1%3")->interface, "3");
  for (const char* plain : {"fe80::1", "192.0.2.1", "2001:db8::1"}) {
    const auto address = ScopedAddress::parse(plain);
    ASSERT_TRUE(address) << plain;
    EXPECT_EQ(address->ip, ip(plain));
    EXPECT_EQ(address->interface, "");
    EXPECT_EQ(address->interface_index(), 0U);
  }
}

TEST(ScopedAddress, RefusesAnInterfaceThatSaysNothingOrCannotBe) {
  for (const char* text :
       {"2001:db8::1%eth0", "192.0.2.1%eth0", "::1%lo", "fec0::1%eth0", "ff02::1%eth0", "fe80::1%",
        "%eth0", "fe80::1%a/b", "fe80::1%a b", "fe80::1%a:b", "fe80::1%sixteen-letters-"})
    EXPECT_FALSE(ScopedAddress::parse(text)) << text;
}

TEST(ScopedAddress, AnInterfaceIsFoundByNameAndByNumber) {
  const std::uint32_t lo = if_nametoindex("lo");
  ASSERT_NE(lo, 0U);
  EXPECT_EQ(ScopedAddress::parse("fe80::1%lo")->interface_index(), lo);
  EXPECT_EQ(ScopedAddress::parse("fe80::1%" + std::to_string(lo))->interface_index(), lo);
  EXPECT_EQ(ScopedAddress::parse("fe80::1%no-such")->interface_index(), std::nullopt);
  EXPECT_EQ(ScopedAddress::parse("fe80::1%999999999")->interface_index(), std::nullopt);
  EXPECT_EQ(ScopedAddress::parse("fe80::1%4294967297")->interface_index(), std::nullopt);
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
