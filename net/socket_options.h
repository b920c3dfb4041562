// Options and figures of a socket (setsockopt(2), socket(7)), and facts that only a try can tell.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <linux/sock_diag.h>
#include <sys/socket.h>

#include "net/address.h"

namespace cpss {

// Opens a UDP socket the way all of ours are opened: SOCK_CLOEXEC, SOCK_NONBLOCK. The caller closes
// it. -1: errno says why there is none.
int open_udp_socket(sa_family_t family) noexcept;

// False: errno says why.
template <typename Value>
bool set_option(int fd, int level, int name, const Value& value) noexcept {
  return ::setsockopt(fd, level, name, &value, sizeof value) == 0;
}

// The value of an option; 0 if the kernel does not know it.
int int_option(int fd, int level, int name) noexcept;

// The memory figures of a socket (SO_MEMINFO, socket(7)); zeros if the kernel gives none.
std::array<std::uint32_t, SK_MEMINFO_VARS> memory_info(int fd) noexcept;

// The address of a socket, with the real port; AF_UNSPEC if the descriptor is no socket.
SocketAddress bound_address(int fd) noexcept;

// Whether it is a broadcast or multicast address, from which no reply can leave.
bool is_group(const SocketAddress& address) noexcept;

// Bytes that the kernel charges a receive buffer for one datagram of 256 bytes (its `truesize`: the
// sk_buff and the whole block its data lies in, several times the payload), measured on loopback.
// The driver of a network card may charge 2 to 4 KiB for the same datagram.
std::size_t small_datagram_cost() noexcept;

// How many datagrams the socket may send as one packet; 1 if the kernel does not know UDP_SEGMENT
// (before 4.18). Sets the socket's own segment size to none.
std::size_t segments_per_packet(int fd) noexcept;

}  // namespace cpss
