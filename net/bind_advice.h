// What a person can do about an address that cannot be listened on.
#pragma once

#include <string>

#include "net/address.h"

namespace cpss {

// For the errno of bind(2) and its like.
std::string bind_advice(const SocketAddress& address, int code);

// Whether it is no use to wait for an IPv6 address: IPv6 is switched off, and no interface has an
// exception (ip-sysctl, disable_ipv6). Where /proc says nothing it is not.
bool without_ipv6();

}  // namespace cpss
