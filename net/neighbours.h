// The kernel's neighbour tables (ARP, IPv6 neighbour discovery): who on the networks of this host
// has told its hardware address, and who was asked for it in vain.
//
// What is sent to a neighbour whose address is not known is kept in the kernel until it is, or for
// about three seconds (arp(7): mcast_solicit times retrans_time), and stays charged to the send
// buffer of its socket.
//
// May wait (net/netlink.h): before Linux 6.13 or so a look at the tables takes the kernel's lock of
// all network configuration.
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
  // Whose addresses are neighbours, each once, the widest first: those of the host's addresses, and
  // those that are on a link by a route alone, as where a router announces a network and addresses
  // come by DHCPv6.
  std::vector<Prefix> networks;
};

// One thread at a time.
class NeighbourReader {
 public:
  // Now, but for routes, which may be some seconds old. Throws std::system_error: no netlink socket
  // to be had (rtnetlink(7)), no answer.
  Neighbours read();

 private:
  std::vector<LinkRoute> routes_;
  std::chrono::steady_clock::time_point next_routes_{};
};

}  // namespace cpss
