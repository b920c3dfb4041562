// The kernel's neighbour tables (ARP, IPv6 neighbour discovery): who on the networks of this host
// has told its hardware address, and who was asked for it in vain.
//
// What is sent to a neighbour whose address is not known is kept in the kernel until it is, or for
// about three seconds (arp(7): mcast_solicit times retrans_time), and stays charged to the send
// buffer of its socket.
//
// Any thread. May wait: before Linux 6.13 or so a look at the tables takes the kernel's lock of all
// network configuration (RTNL), which others may hold for long.
#pragma once

#include <vector>

#include "net/address.h"
#include "net/reach_map.h"

namespace cpss {

struct Neighbours {
  struct Entry {
    IpAddress ip;
    Reach reach;
  };
  std::vector<Entry> entries;    // addresses of this host are among them, as `open`
  std::vector<Prefix> networks;  // whose addresses are neighbours
};

// Throws std::system_error: no netlink socket to be had (rtnetlink(7)), no answer.
Neighbours read_neighbours();

}  // namespace cpss
