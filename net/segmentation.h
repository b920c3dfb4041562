// Segmentation offload for UDP (UDP_SEGMENT, udp(7)): several datagrams to one peer go through the
// kernel's network stack as one packet, which is split at the very end of the way.
//
// Any thread. All but max_segments() are pure functions of their arguments.
#pragma once

#include <cstddef>
#include <span>

#include "net/datagram_socket.h"

namespace cpss {

// Every kernel that knows UDP_SEGMENT takes at least this many datagrams in one such packet. The
// kernel's limit is its UDP_MAX_SEGMENTS, which is not in its user headers.
inline constexpr std::size_t kMinSegments = 64;

// No kernel takes, or merges, more datagrams than this: UDP_MAX_SEGMENTS since Linux 6.9.
inline constexpr std::size_t kMaxSegments = 128;

// Room for all datagrams that the kernel merges into one arrival (UDP_GRO): up to the largest IP
// packet.
inline constexpr std::size_t kMergedBytes = 64 << 10;

// Bytes of payload in one such packet, all its datagrams together: what a UDP length field and an
// IPv4 packet allow (65,535 less two headers).
inline constexpr std::size_t kMaxSegmentedBytes = 65'507;

// Whether two datagrams go to one peer, from one local address.
inline bool leaves_the_same_way(const OutgoingDatagram& a, const OutgoingDatagram& b) noexcept {
  const auto from_one_address = [](const LocalAddress* one, const LocalAddress* other) {
    const bool known = one != nullptr && one->known();
    const bool other_known = other != nullptr && other->known();
    return known == other_known && (!known || *one == *other);
  };
  return (a.peer == b.peer || a.peer->identical(*b.peer)) &&
         (a.local == b.local || from_one_address(a.local, b.local));
}

// How many datagrams from the beginning of `datagrams` (not empty) can leave as one packet: to one
// peer, from one local address, all of one size but the last, which may be shorter. At least 1, at
// most `max`.
std::size_t segments_of_one_packet(std::span<const OutgoingDatagram> datagrams,
                                   std::size_t max) noexcept;

// The max number of datagrams that this kernel takes in one packet, found by sending some to a
// socket of our own on loopback; kMinSegments if that fails. Makes system calls: not for the hot
// path.
std::size_t max_segments() noexcept;

}  // namespace cpss
