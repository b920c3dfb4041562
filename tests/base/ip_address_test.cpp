#include "base/ip_address.h"

#include <string>

#include <gtest/gtest.h>
#include <net/if.h>

#include "tests/support/ip.h"

namespace cpss {
namespace {

using test::ip;

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

}  // namespace
}  // namespace cpss
