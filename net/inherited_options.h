// Which options of an inherited socket stay, and which we reset.
//
// The program that opened the socket decides who may send (a filter, a device) and how replies
// travel (mark, priority, TTL, traffic class): those options stay. Options that change the meaning
// of a receive or a send are reset, so that an inherited socket behaves as one that we have opened.
// Options belong to the open socket, so they stay reset for the next program that gets it. The
// table in inherited_options.cpp has each option and its reason.
#pragma once

#include <string>
#include <vector>

#include "net/address.h"

namespace cpss {

// Resets those options of a bound UDP socket. Returns a line for the log for each option that it
// changed. Throws SocketError (EINVAL) if the socket cannot be used: it is connected, or has an
// option that cannot be reset, which the text names. Set-up only.
std::vector<std::string> reset_inherited_options(int fd, const SocketAddress& address);

}  // namespace cpss
