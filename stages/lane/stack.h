// How much stack a lane has, whatever `ulimit -s` says.
#pragma once

#include <cstddef>

namespace cpss {

// Of every thread that is started, and of a process that runs a lane in place. What we need
// ourselves is up to 176 KiB, for the arrays of one system call of 1,024 messages
// (net/udp_socket.cpp); the rest is the service's. Only what is touched becomes memory.
inline constexpr std::size_t kLaneStackBytes = std::size_t{1} << 20;

}  // namespace cpss
