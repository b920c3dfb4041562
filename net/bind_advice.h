// Tells a person what to do if the server cannot listen on an address.
#pragma once

#include <string>

#include "net/address.h"

namespace cpss {

// `code`: the errno of bind(2), or of another call on the way there.
std::string bind_advice(const SocketAddress& address, int code);

// Whether this host will have no IPv6 address: IPv6 is switched off, and no interface is excepted
// (ip-sysctl, disable_ipv6). False if /proc does not tell.
bool without_ipv6();

}  // namespace cpss
