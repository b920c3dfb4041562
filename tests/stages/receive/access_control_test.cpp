#include "stages/receive/access_control.h"

#include <array>

#include <gtest/gtest.h>

#include "tests/stages/rig.h"

namespace cpss {
namespace {

using test::address;
using test::open_access;
using test::prefix;

Arrival arrival_from(const SocketAddress& peer) {
  Arrival arrival;
  arrival.peer = peer;
  arrival.length = 100;
  return arrival;
}

// The port of an IPv4 peer as a dual-stack socket sees it.
SocketAddress mapped(std::string_view ipv4, std::uint16_t port) {
  sockaddr_in6 raw{};
  raw.sin6_family = AF_INET6;
  raw.sin6_port = htons(port);
  const IpAddress ip = IpAddress::parse(ipv4).value();
  std::copy(ip.bytes.begin(), ip.bytes.end(), raw.sin6_addr.s6_addr);
  return SocketAddress::from(reinterpret_cast<const sockaddr*>(&raw), sizeof raw);
}

// Asks as a lane does, with the host's addresses of now.
std::optional<Reason> refusal(const AccessControl& access_control, const Arrival& arrival) {
  return access_control.refusal(arrival, HostAddressCopy(access_control.host()));
}

// What open access control says to the arrival of an honest peer that `spoil` has changed.
template <class Spoil>
std::optional<Reason> refusal_of_spoilt(const Spoil& spoil) {
  Arrival arrival = arrival_from(address("192.0.2.1", 4000));
  spoil(arrival);
  return refusal(AccessControl(open_access()), arrival);
}

LocalAddressSet host_with(std::initializer_list<std::string_view> ips) {
  std::vector<IpAddress> addresses;
  for (const std::string_view ip : ips) addresses.push_back(IpAddress::parse(ip).value());
  return LocalAddressSet(addresses);
}

TEST(AccessControl, LetsAnHonestPeerIn) {
  const AccessControl access_control(open_access());
  EXPECT_EQ(refusal(access_control, arrival_from(address("192.0.2.1", 4000))), std::nullopt);
  EXPECT_EQ(refusal(access_control, arrival_from(address("2001:db8::1", 4000))), std::nullopt);
  EXPECT_EQ(refusal(access_control, arrival_from(mapped("192.0.2.1", 4000))), std::nullopt);
}

TEST(AccessControl, EmptyDatagram_A01) {
  EXPECT_EQ(refusal_of_spoilt([](Arrival& arrival) { arrival.length = 0; }), Reason::invalid_empty);
}

// The local address is not known, so neither is the one that a reply would have to leave from.
TEST(AccessControl, ControlDataThatWereCut) {
  EXPECT_EQ(refusal_of_spoilt([](Arrival& arrival) { arrival.control_cut = true; }),
            Reason::failed_control_cut);
}

TEST(AccessControl, SourcePortZero_A05) {
  const AccessControl access_control(open_access());
  EXPECT_EQ(refusal(access_control, arrival_from(address("192.0.2.1", 0))),
            Reason::refused_source_port_zero);
  EXPECT_EQ(refusal(access_control, arrival_from(mapped("192.0.2.1", 0))),
            Reason::refused_source_port_zero);
}

TEST(AccessControl, GroupSources_A07) {
  const AccessControl access_control(open_access());
  for (const char* ip : {"255.255.255.255", "224.0.0.1", "239.1.2.3", "0.0.0.0", "::", "ff02::1"})
    EXPECT_EQ(refusal(access_control, arrival_from(address(ip, 4000))),
              Reason::refused_group_address)
        << ip;
  EXPECT_EQ(refusal(access_control, arrival_from(mapped("224.0.0.1", 4000))),
            Reason::refused_group_address);
}

TEST(AccessControl, GroupDestination_A08) {
  EXPECT_EQ(refusal_of_spoilt([](Arrival& arrival) { arrival.to_group = true; }),
            Reason::refused_group_address);
}

TEST(AccessControl, OwnAddressAndPort_A06) {
  AccessOptions options = open_access();
  options.own_addresses = {address("192.0.2.7", 7700), address("2001:db8::7", 7701)};
  options.host = host_with({"192.0.2.7", "192.0.2.9", "2001:db8::7"});
  const AccessControl access_control(options);
  const auto refused = Reason::refused_own_address;
  EXPECT_EQ(refusal(access_control, arrival_from(address("192.0.2.7", 7700))), refused);
  EXPECT_EQ(refusal(access_control, arrival_from(mapped("192.0.2.7", 7700))), refused);
  EXPECT_EQ(refusal(access_control, arrival_from(address("2001:db8::7", 7701))), refused);
  // Other programs of this host, and a peer that uses the same port by chance.
  EXPECT_EQ(refusal(access_control, arrival_from(address("192.0.2.9", 7700))), std::nullopt);
  EXPECT_EQ(refusal(access_control, arrival_from(address("192.0.2.7", 7701))), std::nullopt);
  EXPECT_EQ(refusal(access_control, arrival_from(address("192.0.2.8", 7700))), std::nullopt);
}

// An address that moves to this host is its own; one that moves away is a peer's.
TEST(AccessControl, FollowsTheAddressesOfTheHost) {
  AccessOptions options = open_access();
  options.own_addresses = {address("0.0.0.0", 7700), address("::", 7700)};
  options.host = host_with({"192.0.2.7", "2001:db8::7"});
  AccessControl access_control(options);
  HostAddressCopy lane(access_control.host());
  const auto expect = [&](const char* ip, std::optional<Reason> reason) {
    EXPECT_EQ(access_control.refusal(arrival_from(address(ip, 7700)), lane), reason) << ip;
  };
  const auto own = Reason::refused_own_address;
  expect("192.0.2.7", own);
  expect("2001:db8::8", std::nullopt);
  expect("192.0.2.255", std::nullopt);
  access_control.host().publish(LocalAddressSet({IpAddress::parse("2001:db8::8").value()},
                                                {IpAddress::parse("192.0.2.255").value()}));
  expect("192.0.2.7", own);  // until the lane's next batch
  lane.refresh();
  expect("192.0.2.7", std::nullopt);
  expect("2001:db8::7", std::nullopt);
  expect("2001:db8::8", own);
  expect("192.0.2.255", Reason::refused_group_address);
}

TEST(AccessControl, OwnAddressOfAWildcardListenerIsAnyOfTheHost_A06) {
  for (const char* wildcard : {"0.0.0.0", "::"}) {
    AccessOptions options = open_access();
    options.own_addresses = {address(wildcard, 7700)};
    options.host = host_with({"192.0.2.7", "2001:db8::7"});
    const AccessControl access_control(options);
    const auto refused = Reason::refused_own_address;
    EXPECT_EQ(refusal(access_control, arrival_from(address("192.0.2.7", 7700))), refused);
    EXPECT_EQ(refusal(access_control, arrival_from(mapped("192.0.2.7", 7700))), refused);
    EXPECT_EQ(refusal(access_control, arrival_from(mapped("127.0.0.9", 7700))), refused);
    EXPECT_EQ(refusal(access_control, arrival_from(address("2001:db8::7", 7700))), refused);
    EXPECT_EQ(refusal(access_control, arrival_from(address("192.0.2.7", 7701))), std::nullopt);
    EXPECT_EQ(refusal(access_control, arrival_from(address("192.0.2.8", 7700))), std::nullopt);
  }
}

TEST(AccessControl, ReflectingServicesRefusePortsThatMayAnswerAnything_B05) {
  AccessOptions options = open_access();
  const AccessControl plain(options);
  options.reflects = true;
  const AccessControl reflecting(options);
  constexpr auto kPorts = std::to_array<std::uint16_t>(
      {7, 13, 17, 19, 37, 53, 69, 123, 161, 1, 1023, 1900, 5060, 11211});
  for (const std::uint16_t port : kPorts) {
    const Arrival arrival = arrival_from(mapped("192.0.2.1", port));
    EXPECT_EQ(refusal(reflecting, arrival), Reason::refused_service_port) << port;
    EXPECT_EQ(refusal(plain, arrival), std::nullopt) << port;
  }
  EXPECT_EQ(refusal(reflecting, arrival_from(address("192.0.2.1", 1024))), std::nullopt);
}

// Two servers that reflect must not be made to talk to each other, whichever of our ports is
// spoofed.
TEST(AccessControl, ReflectingServicesRefuseEveryPortWeListenOn_B06) {
  AccessOptions options = open_access();
  options.reflects = true;
  options.own_addresses = {address("127.0.0.1", 7700), address("::1", 7701)};
  const AccessControl access_control(options);
  for (const std::uint16_t port : {std::uint16_t{7700}, std::uint16_t{7701}})
    EXPECT_EQ(refusal(access_control, arrival_from(address("192.0.2.1", port))),
              Reason::refused_service_port);
}

TEST(AccessControl, OnlyAllowedPeersMayAsk) {
  AccessOptions options = open_access();
  options.allowed = PrefixSet({prefix("192.0.2.0", 24), prefix("2001:db8::", 32)});
  const AccessControl access_control(options);
  EXPECT_EQ(refusal(access_control, arrival_from(address("192.0.2.255", 4000))), std::nullopt);
  EXPECT_EQ(refusal(access_control, arrival_from(mapped("192.0.2.1", 4000))), std::nullopt);
  EXPECT_EQ(refusal(access_control, arrival_from(address("2001:db8::1", 4000))), std::nullopt);
  for (const char* ip : {"192.0.3.0", "2001:db9::1", "::1"})
    EXPECT_EQ(refusal(access_control, arrival_from(address(ip, 4000))), Reason::refused_not_allowed)
        << ip;
}

TEST(AccessControl, TrustIsByPrefixAndTreatsMappedAsIpv4) {
  AccessOptions options = open_access();
  EXPECT_FALSE(AccessControl(options).trusted(address("127.0.0.1", 4000)))
      << "nobody by default here";
  options.trusted = PrefixSet({prefix("127.0.0.0", 8)});
  const AccessControl access_control(options);
  EXPECT_TRUE(access_control.trusted(address("127.0.0.1", 4000)));
  EXPECT_TRUE(access_control.trusted(mapped("127.0.0.1", 4000)));
  EXPECT_FALSE(access_control.trusted(address("192.0.2.1", 4000)));
  EXPECT_FALSE(access_control.trusted(address("::1", 4000)));
}

}  // namespace
}  // namespace cpss
