// Where what a user calls a host leads: an address, with its interface if it is link-local, or a
// name that the system's resolver knows (getaddrinfo(3)).
//
// For set-up: it waits for the resolver, which may take seconds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "net/address.h"

namespace cpss::udpblast {

struct Host {
  SocketAddress address;            // the resolver's first (RFC 6724)
  std::vector<std::string> others;  // what else the name stands for; of an address nothing
};

// Whether it is to be an address, and not a name.
bool is_numeric_host(const std::string& text);

// `family`: that of the address of `other_end`, an option, where that is known, else AF_UNSPEC.
// Throws BadValue.
Host find_host(const std::string& text, std::uint16_t port, sa_family_t family = AF_UNSPEC,
               const char* other_end = "--source");

}  // namespace cpss::udpblast
