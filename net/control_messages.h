// The control messages (cmsg(3)) of a datagram: what the kernel says about one that arrived, and is
// told about one that leaves.
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

// Room for all that the kernel says where nothing else is asked for than UdpSocket asks for: a
// dual-stack socket gets both forms of the address for an IPv4 datagram.
inline constexpr std::size_t kReceiveControlBytes =
    CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(in_pktinfo)) + CMSG_SPACE(sizeof(int));
inline constexpr std::size_t kSendControlBytes =
    CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(std::uint16_t));

// Reads the address the datagram was sent to, and the size of merged ones, into `arrival`, whose
// other members stay as they are. `header` as recvmsg(2) has filled it.
//
// A message that is shorter than its type says, as one that the kernel had no room for, is passed
// over, and nothing behind the bytes that the header counts is read. MSG_CTRUNC, which says that
// some were cut or left out, is Arrival::control_cut: whoever receives decides.
void read_control(msghdr& header, Arrival& arrival) noexcept;

// What the datagrams of one packet share: the source address, and the size of each but the last
// where there are several. `control` has room for kSendControlBytes; returns the bytes written.
// `family`: the socket's.
std::size_t write_control(std::byte* control, sa_family_t family,
                          std::span<const OutgoingDatagram> packet) noexcept;

}  // namespace cpss
