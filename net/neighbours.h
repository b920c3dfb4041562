// The kernel's neighbour tables (ARP, IPv6 neighbour discovery): which peers on the networks of
// this host have told their hardware address, and which were asked for it in vain.
//
// The kernel keeps a datagram to a neighbour whose hardware address it does not know until it
// learns the address, or for about three seconds (arp(7): mcast_solicit times retrans_time).
// Meanwhile the datagram stays charged to the send buffer of its socket.
//
// May wait (net/netlink.h): before Linux 6.13 or so the kernel takes its lock of all network
// configuration to read the tables.
#pragma once

#include <chrono>
#include <vector>

#include "net/address.h"
#include "net/reach_map.h"
#include "net/routes.h"

namespace cpss {

struct Neighbours {
  struct Entry {
    IpAddress ip;
    Reach reach;
  };
  std::vector<Entry> entries;  // addresses of this host are among them, as `open`
  // Every address in these is a neighbour. Each once, the widest first: the networks of the host's
  // addresses, and those that only a route puts on a link, as when a router announces a network and
  // addresses come by DHCPv6.
  std::vector<Prefix> networks;
};

// One thread at a time.
class NeighbourReader {
 public:
  // Reads the tables as they are now; routes may be some seconds old. Throws std::system_error: the
  // kernel gives no netlink socket (rtnetlink(7)), or no answer.
  Neighbours read();

 private:
  std::vector<LinkRoute> routes_;
  std::chrono::steady_clock::time_point next_routes_{};
};

}  // namespace cpss
