// Finds a host that a user has named: by an address, with its interface if it is link-local, or by
// a name that the system's resolver knows (getaddrinfo(3)).
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
  std::vector<std::string> others;  // the name's other addresses; an address has none
};

// Whether the text is meant as an address, and not as a name.
bool is_numeric_host(const std::string& text);

// `family`: of the address that the option `other_end` gives, if it is known, else AF_UNSPEC.
// Throws BadValue.
Host find_host(const std::string& text, std::uint16_t port, sa_family_t family = AF_UNSPEC,
               const char* other_end = "--source");

}  // namespace cpss::udpblast
