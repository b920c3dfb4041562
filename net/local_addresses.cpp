#include "net/local_addresses.h"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <memory>
#include <string_view>
#include <system_error>
#include <vector>

#include <ifaddrs.h>
#include <net/if.h>

namespace cpss {

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
    if (address.family() == AF_INET && (entry->ifa_flags & IFF_BROADCAST) != 0 &&
        entry->ifa_broadaddr != nullptr)
      broadcasts.push_back(
          SocketAddress::from(entry->ifa_broadaddr, SocketAddress::kCapacity).ip());
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
