// The kernel's routes (rtnetlink(7)), as far as they say who is this host and who is beside it.
//
// Any thread. May wait (net/netlink.h). All throw std::system_error where the kernel does not tell;
// a family that it does not know has no routes.
#pragma once

#include <cstdint>
#include <vector>

#include "net/address.h"

namespace cpss {

// What the routing table `local` says is delivered here (RTN_LOCAL), both families. The host's own
// addresses are among it, and networks of which every address is this host's by a route alone, "ip
// route add local PREFIX dev lo", often called AnyIP: they are in no list of addresses.
std::vector<Prefix> local_routes();

struct LinkRoute {
  Prefix to;
  std::uint32_t interface = 0;
};

// The unicast routes without a gateway, both families: who is in there is a neighbour on the link.
// The kernel goes through all routes that there are, which takes a router with a million of them a
// good part of a second.
std::vector<LinkRoute> link_routes();

}  // namespace cpss
