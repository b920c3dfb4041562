// Networks of which every address is this host's, by a route alone: "ip route add local PREFIX dev
// lo", often called AnyIP. They are in no list of addresses.
#pragma once

#include <vector>

#include "net/address.h"

namespace cpss {

// What the routing table `local` says is delivered here (RTN_LOCAL, rtnetlink(7)), both families;
// the host's own addresses are among it. Empty where the kernel does not tell. Makes system calls.
std::vector<Prefix> local_routes();

}  // namespace cpss
