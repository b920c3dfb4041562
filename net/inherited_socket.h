// Whether a descriptor that another program opened for us (a service manager: socket activation) is
// what a UdpSocket needs.
#pragma once

#include "net/address.h"

namespace cpss {

// The address of a bound IPv4 or IPv6 UDP socket. Anything else throws SocketError with EINVAL,
// which says what the descriptor is and what is wanted instead. Changes nothing.
SocketAddress address_of_inherited(int fd);

}  // namespace cpss
