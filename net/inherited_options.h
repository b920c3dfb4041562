// The options that a socket has from whoever opened it, and what becomes of them when it is ours.
//
// A giver sets what is its own to say: who may send (a filter, a device), how replies travel (mark,
// priority, TTL, traffic class). That stays. What changes what a receive or a send means is reset,
// so that an inherited socket behaves as one that we have opened; the options belong to the open
// socket, so it stays reset for whoever has it next. Which are which, and why, is the table in
// inherited_options.cpp.
#pragma once

#include <string>
#include <vector>

#include "net/address.h"

namespace cpss {

// Resets what has to be, on a bound UDP socket. Returns what was found and changed, a line each for
// the log. Throws SocketError (EINVAL), which names the option, where the socket cannot be used as
// it is: it is connected, or has an option that cannot be reset. Set-up only.
std::vector<std::string> reset_inherited_options(int fd, const SocketAddress& address);

}  // namespace cpss
