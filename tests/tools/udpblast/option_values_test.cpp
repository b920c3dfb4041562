#include "tools/udpblast/option_values.h"

#include <cstring>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>

namespace cpss::udpblast {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(OptionValues, WholeNumbersWithinTheLimits) {
  EXPECT_EQ(parse_whole("1", 1, 10), 1u);
  EXPECT_EQ(parse_whole("010", 1, 10), 10u);
  EXPECT_EQ(parse_whole("18446744073709551615", 0, ~std::uint64_t{0}), ~std::uint64_t{0});
}

TEST(OptionValues, WholeNumbersThatAreNone) {
  for (const char* text :
       {"", "-1", "+1", "0", "11", "0x1", "1 ", " 1", "1.5", "1e1", "ten", "18446744073709551617"})
    EXPECT_THROW(parse_whole(text, 1, 10), BadValue) << text;
}

TEST(OptionValues, Seconds) {
  EXPECT_EQ(parse_seconds_ns("5"), 5'000'000'000u);
  EXPECT_EQ(parse_seconds_ns("0.25"), 250'000'000u);
  EXPECT_EQ(parse_seconds_ns(".5"), 500'000'000u);
  for (const char* text :
       {"", ".", "0", "0.0", "-1", "inf", "nan", "1e3", "1s", "1.2.3", "99999999999", "1,5"})
    EXPECT_THROW(parse_seconds_ns(text), BadValue) << text;
}

TEST(OptionValues, Shares) {
  EXPECT_DOUBLE_EQ(parse_share("0"), 0);
  EXPECT_DOUBLE_EQ(parse_share("0.001"), 0.001);
  EXPECT_DOUBLE_EQ(parse_share("0.1%"), 0.001);
  EXPECT_DOUBLE_EQ(parse_share("100%"), 1);
  for (const char* text : {"", "%", "1.1", "101%", "-0.1", "5 %", "a", "0.1%%"})
    EXPECT_THROW(parse_share(text), BadValue) << text;
}

TEST(OptionValues, Bursts) {
  EXPECT_EQ(parse_burst("64/10").messages, 64u);
  EXPECT_EQ(parse_burst("64/10").gap_ns, 10'000'000u);
  EXPECT_EQ(parse_burst("1/0.001").gap_ns, 1'000u);
  for (const char* text :
       {"", "/", "5", "5/", "/5", "0/5", "5/0", "5/0.0001", "-1/5", "5/5/5", "5/5ms", "1000001/1"})
    EXPECT_THROW(parse_burst(text), BadValue) << text;
}

std::uint32_t interface_of(const SocketAddress& address) {
  sockaddr_in6 v6{};
  std::memcpy(&v6, address.data(), sizeof v6);
  return v6.sin6_scope_id;
}

std::string host_error_of(const std::string& text, sa_family_t family = AF_UNSPEC) {
  try {
    find_host(text, 1, family);
  } catch (const BadValue& bad) {
    return bad.what();
  }
  return "no error";
}

TEST(Host, Addresses) {
  EXPECT_EQ(find_host("192.0.2.1", 7).address.to_string(), "192.0.2.1:7");
  EXPECT_EQ(find_host("2001:db8::1", 7).address.to_string(), "[2001:db8::1]:7");
  EXPECT_EQ(find_host("::ffff:192.0.2.1", 7).address.family(), AF_INET);
  EXPECT_TRUE(find_host("192.0.2.1", 7).others.empty());
}

TEST(Host, ALinkLocalAddressKeepsItsInterface) {
  const Host host = find_host("fe80::1%lo", 7);
  EXPECT_EQ(host.address.ip().to_string(), "fe80::1");
  EXPECT_EQ(host.address.port(), 7);
  EXPECT_EQ(interface_of(host.address), ::if_nametoindex("lo"));
  EXPECT_EQ(interface_of(find_host("fe80::1%7", 7).address), 7u);
  EXPECT_THAT(host_error_of("fe80::1%no-such"), HasSubstr("with its interface"));
}

TEST(Host, ANameIsLookedUp) {
  const Host host = find_host("localhost", 7);
  EXPECT_TRUE(host.address.ip().is_loopback());
  EXPECT_EQ(host.address.port(), 7);
}

// No resolver is asked about these: none of them can be a host's name.
TEST(Host, WhatIsNoHost) {
  for (const char* text :
       {"", "10", "1.2.3", "1.2.3.4.5", "127.0.0.1:7700", "[::1]:7700", "::1::2"})
    EXPECT_THAT(host_error_of(text), HasSubstr("or the name of a host")) << text;
  const std::string too_long(70, 'a');
  EXPECT_THAT(host_error_of(too_long),
              AllOf(HasSubstr("cannot be looked up: "), HasSubstr("must be")));
}

TEST(Host, OfTheFamilyOfTheSource) {
  EXPECT_EQ(find_host("127.0.0.1", 7, AF_INET).address.to_string(), "127.0.0.1:7");
  EXPECT_THAT(host_error_of("::1", AF_INET), HasSubstr("no IPv4 address"));
  EXPECT_THAT(host_error_of("127.0.0.1", AF_INET6), HasSubstr("no IPv6 address"));
}

}  // namespace
}  // namespace cpss::udpblast
