// Checks whether a descriptor that another program opened for us (a service manager: socket
// activation) is a socket that UdpSocket can take over.
#pragma once

#include "net/address.h"

namespace cpss {

// Returns the address of a bound IPv4 or IPv6 UDP socket. For anything else throws SocketError
// (EINVAL), whose text says what the descriptor is and what is wanted instead. Changes nothing.
SocketAddress address_of_inherited(int fd);

}  // namespace cpss
