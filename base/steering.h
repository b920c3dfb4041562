// How the kernel chooses among the sockets of an address (SO_REUSEPORT, socket(7)).
#pragma once

#include <cstdint>

namespace cpss {

enum class Steering : std::uint8_t {
  hash,         // by the addresses and ports of both ends: a peer always meets the same socket
  random,       // any socket, each with the same chance
  cpu,          // by the number of the CPU that delivers it, modulo the sockets
  round_robin,  // in turn; datagrams that the kernel has merged (UDP_GRO) are one
};

}  // namespace cpss
