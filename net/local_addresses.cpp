#include "net/local_addresses.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include <ifaddrs.h>
#include <net/if.h>

#include "net/ip_of.h"
#include "net/routes.h"

namespace cpss {
namespace {

// The last address of an IPv4 network, which the kernel treats as its broadcast address whether or
// not the interface has one set. Networks of one or two addresses have none (RFC 3021).
std::optional<IpAddress> broadcast_of(const ifaddrs& entry) {
  constexpr std::uint32_t kOfTwoAddresses = 0xffff'fffe;
  if (entry.ifa_addr->sa_family != AF_INET || entry.ifa_netmask == nullptr ||
      (entry.ifa_flags & IFF_LOOPBACK) != 0)
    return std::nullopt;
  sockaddr_in address;
  sockaddr_in mask;
  std::memcpy(&address, entry.ifa_addr, sizeof address);
  std::memcpy(&mask, entry.ifa_netmask, sizeof mask);
  if (ntohl(mask.sin_addr.s_addr) >= kOfTwoAddresses) return std::nullopt;
  address.sin_addr.s_addr |= ~mask.sin_addr.s_addr;
  return ip_of(address.sin_addr);
}

template <typename Item>
std::vector<Item> sorted(std::vector<Item> list) {
  std::ranges::sort(list);
  const auto repeated = std::ranges::unique(list);
  list.erase(repeated.begin(), repeated.end());
  return list;
}

}  // namespace

LocalAddressSet::LocalAddressSet(std::vector<IpAddress> addresses,
                                 std::vector<IpAddress> broadcasts, std::vector<Prefix> networks)
    : addresses_(sorted(std::move(addresses))),
      broadcasts_(sorted(std::move(broadcasts))),
      networks_(sorted(std::move(networks))) {}

LocalAddressSet LocalAddressSet::of_this_host() {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0)
    throw std::system_error(errno, std::generic_category(),
                            "cannot list the addresses of this host (getifaddrs)");
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> list(first, &::freeifaddrs);

  std::vector<IpAddress> addresses;
  std::vector<IpAddress> broadcasts;
  for (const ifaddrs* entry = list.get(); entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;  // an interface without an address
    const auto address = SocketAddress::from(entry->ifa_addr, SocketAddress::kCapacity);
    if (address.family() != AF_UNSPEC) addresses.push_back(address.ip());
    if (const auto broadcast = broadcast_of(*entry)) broadcasts.push_back(*broadcast);
  }
  std::vector<Prefix> networks;
  for (const Prefix& route : local_routes()) {
    if (route.length == kLengthOfOneAddress)
      addresses.push_back(route.ip);
    else if (!route.ip.is_loopback())
      networks.push_back(route);
  }
  return LocalAddressSet(std::move(addresses), std::move(broadcasts), std::move(networks));
}

void LocalAddressSet::reserve(std::size_t max) {
  addresses_.reserve(max);
  broadcasts_.reserve(max);
  networks_.reserve(max);
}

void LocalAddressSet::assign_sorted(std::span<const IpAddress> addresses,
                                    std::span<const IpAddress> broadcasts,
                                    std::span<const Prefix> networks) noexcept {
  addresses_.assign(addresses.begin(), addresses.end());
  broadcasts_.assign(broadcasts.begin(), broadcasts.end());
  networks_.assign(networks.begin(), networks.end());
}

bool LocalAddressSet::contains(const IpAddress& address) const noexcept {
  return address.is_loopback() || std::ranges::binary_search(addresses_, address) ||
         std::ranges::any_of(networks_,
                             [&](const Prefix& network) { return network.contains(address); });
}

bool LocalAddressSet::is_network_broadcast(const IpAddress& address) const noexcept {
  return std::ranges::binary_search(broadcasts_, address);
}

}  // namespace cpss
