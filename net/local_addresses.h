// The addresses of this host, to refuse datagrams that claim to come from ourselves: answering one
// would make the server talk to itself for ever.
//
// Immutable once made, so safe to use from any thread; a host whose addresses change needs a new
// set. contains() takes constant time and allocates nothing. The receive stage calls it only for a
// datagram whose source port is one of our own, which honest clients hardly ever have.
#pragma once

#include <cstddef>
#include <span>
#include <unordered_set>
#include <vector>

#include "net/address.h"

namespace cpss {

class LocalAddressSet {
 public:
  explicit LocalAddressSet(std::span<const IpAddress> addresses,
                           std::span<const IpAddress> broadcasts = {});

  // The addresses of all interfaces (getifaddrs(3)), up or down. Throws std::system_error.
  static LocalAddressSet of_this_host();

  // All of 127.0.0.0/8 and ::1 count, listed or not (RFC 1122 section 3.2.1.3, RFC 4291 section
  // 2.5.3). Addresses that are local by a route alone ("ip route add local") do not.
  bool contains(const IpAddress& address) const noexcept;

  // Whether it is the broadcast address of one of this host's IPv4 networks (10.1.2.255 of
  // 10.1.2.0/24), which no honest sender has as its own (RFC 1122 section 3.2.1.3). A search in
  // order: a host has as many as it has interfaces.
  bool is_network_broadcast(const IpAddress& address) const noexcept;

 private:
  struct Hash {
    std::size_t operator()(const IpAddress& address) const noexcept;
  };
  std::unordered_set<IpAddress, Hash> addresses_;
  std::vector<IpAddress> broadcasts_;
};

}  // namespace cpss
