// The kernel's routes (rtnetlink(7)): those that make addresses local, and those that say which
// addresses are on a link of this host.
//
// Any thread. May wait (net/netlink.h). All throw std::system_error if the kernel does not tell; a
// family that the kernel does not know has no routes.
#pragma once

#include <cstdint>
#include <vector>

#include "net/address.h"

namespace cpss {

// The addresses and networks that the routing table `local` delivers to this host (RTN_LOCAL), both
// families. Besides the host's own addresses, these are networks of which a route alone makes every
// address local ("ip route add local PREFIX dev lo", often called AnyIP): no list of addresses has
// those.
std::vector<Prefix> local_routes();

struct LinkRoute {
  Prefix to;
  std::uint32_t interface = 0;
};

// The unicast routes without a gateway, both families: every address in them is a neighbour on the
// link. The kernel goes through all its routes, which takes a good part of a second on a router
// with a million of them.
std::vector<LinkRoute> link_routes();

}  // namespace cpss
