#include "net/local_addresses.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <vector>

#include <ifaddrs.h>
#include <net/if.h>

namespace cpss {
namespace {

// The last address of an IPv4 network, which the kernel treats as its broadcast address whether the
// interface was given one or not. Networks of one or two addresses have none (RFC 3021).
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
  return SocketAddress::from(reinterpret_cast<const sockaddr*>(&address), sizeof address).ip();
}

}  // namespace

LocalAddressSet::LocalAddressSet(std::span<const IpAddress> addresses,
                                 std::span<const IpAddress> broadcasts)
    : addresses_(addresses.begin(), addresses.end()),
      broadcasts_(broadcasts.begin(), broadcasts.end()) {}

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
  return LocalAddressSet(addresses, broadcasts);
}

bool LocalAddressSet::contains(const IpAddress& address) const noexcept {
  return address.is_loopback() || addresses_.contains(address);
}

bool LocalAddressSet::is_network_broadcast(const IpAddress& address) const noexcept {
  return std::find(broadcasts_.begin(), broadcasts_.end(), address) != broadcasts_.end();
}

std::size_t LocalAddressSet::Hash::operator()(const IpAddress& address) const noexcept {
  return std::hash<std::string_view>{}(
      {reinterpret_cast<const char*>(address.bytes.data()), address.bytes.size()});
}

}  // namespace cpss
