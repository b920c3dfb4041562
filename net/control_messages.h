// The control messages (cmsg(3)) of a datagram: the kernel describes one that arrived, and we
// describe one that leaves.
//
// Pure functions of their arguments; any thread; nothing is allocated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <netinet/in.h>
#include <sys/socket.h>

#include "net/datagram_socket.h"

namespace cpss {

// Room for all control messages that UdpSocket asks the kernel for. A dual-stack socket gets both
// forms of the address for an IPv4 datagram.
inline constexpr std::size_t kReceiveControlBytes =
    CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(in_pktinfo)) + CMSG_SPACE(sizeof(int));
inline constexpr std::size_t kSendControlBytes =
    CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(std::uint16_t));

// Reads the address the datagram was sent to, and the size of merged ones, into `arrival`, whose
// other members stay as they are. `header` as recvmsg(2) has filled it.
//
// Skips a control message that is shorter than its type needs, because the kernel had no room for
// all of it, and reads nothing behind the bytes that the header counts. MSG_CTRUNC says that the
// kernel cut some or left some out; it becomes Arrival::control_cut, and the receive stage decides.
void read_control(msghdr& header, Arrival& arrival) noexcept;

// Writes what the datagrams of one packet share: the source address and, if there are several, the
// size of each but the last. `control` has room for kSendControlBytes; returns the bytes written.
// `family`: the socket's.
std::size_t write_control(std::byte* control, sa_family_t family,
                          std::span<const OutgoingDatagram> packet) noexcept;

}  // namespace cpss
