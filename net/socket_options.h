// Options and figures of a socket (setsockopt(2), socket(7)), and what must be found out by a try.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <linux/sock_diag.h>
#include <sys/socket.h>

#include "net/address.h"

namespace cpss {

// A UDP socket as all of ours are made: SOCK_CLOEXEC, SOCK_NONBLOCK. The caller's to close; -1 and
// errno where there is none.
int open_udp_socket(sa_family_t family) noexcept;

// False: errno says why.
template <typename Value>
bool set_option(int fd, int level, int name, const Value& value) noexcept {
  return ::setsockopt(fd, level, name, &value, sizeof value) == 0;
}

// 0 where the kernel does not know it.
int int_option(int fd, int level, int name) noexcept;

// Its figures (SO_MEMINFO, socket(7)); zeros where the kernel gives none.
std::array<std::uint32_t, SK_MEMINFO_VARS> memory_info(int fd) noexcept;

// With the real port; unknown where the descriptor is no socket.
SocketAddress bound_address(int fd) noexcept;

// Whether nothing can be answered from the address: a broadcast or multicast address.
bool is_group(const SocketAddress& address) noexcept;

// What the kernel charges a receive buffer for one datagram of 256 bytes (its `truesize`: the
// sk_buff and the whole block its data lies in, several times the payload), measured on loopback.
// The driver of a network card may charge 2 to 4 KiB for the same datagram.
std::size_t small_datagram_cost() noexcept;

// How many datagrams the socket may send as one packet; 1 where the kernel does not know
// UDP_SEGMENT (before 4.18).
std::size_t segments_per_packet(int fd) noexcept;

}  // namespace cpss
