// The stack size of a lane, independent of `ulimit -s`.
#pragma once

#include <cstddef>

namespace cpss {

// For every thread that the server starts, and for a process that runs a lane in place. Our own
// code needs up to 176 KiB, for the arrays of one system call of 1,024 messages
// (net/udp_socket.cpp); the rest is for the service. Only pages that are touched become memory.
inline constexpr std::size_t kLaneStackBytes = std::size_t{1} << 20;

}  // namespace cpss
