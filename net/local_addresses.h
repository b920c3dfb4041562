// The addresses of this host. The receive stage refuses datagrams that claim to come from one of
// them: answering one would make the server talk to itself for ever.
//
// A plain value, made anew when the host's addresses change (address_watch.h);
// stages/receive/host_addresses.h gives the newest one to every lane. contains() and
// is_network_broadcast() take logarithmic time in the number of addresses, contains() also linear
// time in the number of networks; they allocate nothing.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "net/address.h"

namespace cpss {

class LocalAddressSet {
 public:
  LocalAddressSet() = default;
  explicit LocalAddressSet(std::vector<IpAddress> addresses, std::vector<IpAddress> broadcasts = {},
                           std::vector<Prefix> networks = {});

  // The addresses of all interfaces (getifaddrs(3)), up or down, and those that only a route makes
  // local (net/routes.h). Throws std::system_error.
  static LocalAddressSet of_this_host();

  // All of 127.0.0.0/8 and ::1 count, listed or not (RFC 1122 section 3.2.1.3, RFC 4291 section
  // 2.5.3).
  bool contains(const IpAddress& address) const noexcept;

  // Whether it is the broadcast address of one of this host's IPv4 networks (10.1.2.255 of
  // 10.1.2.0/24), which no honest sender has as its own (RFC 1122 section 3.2.1.3).
  bool is_network_broadcast(const IpAddress& address) const noexcept;

  // From now on assign_sorted() takes up to `max` of each kind without allocating.
  void reserve(std::size_t max);
  // Takes over the three lists of another set.
  void assign_sorted(std::span<const IpAddress> addresses, std::span<const IpAddress> broadcasts,
                     std::span<const Prefix> networks) noexcept;

  // Sorted, each once.
  std::span<const IpAddress> addresses() const noexcept { return addresses_; }
  std::span<const IpAddress> broadcasts() const noexcept { return broadcasts_; }
  std::span<const Prefix> networks() const noexcept { return networks_; }

  bool operator==(const LocalAddressSet&) const = default;

 private:
  std::vector<IpAddress> addresses_;
  std::vector<IpAddress> broadcasts_;
  std::vector<Prefix> networks_;  // all their addresses are local; a host has a few, if any
};

}  // namespace cpss
