// Which socket of a group gets a datagram. A group is all UDP sockets of one address and port
// (UdpSocket::share_port(), UdpSocketOptions::reuse_port); the kernel chooses among them.
//
// Main thread, at set-up.
#pragma once

#include "base/steering.h"
#include "net/udp_socket.h"

namespace cpss {

// Steers the whole group that `member` belongs to. It has `members` sockets, numbered in the order
// in which they joined; if the steering yields a number without a socket, the kernel goes by the
// hash. round_robin needs Linux 5.12 and the right to extended BPF; the others need neither. Throws
// SocketError, whose text says what to do; then the group is steered as before.
void steer(UdpSocket& member, Steering how, unsigned members);

}  // namespace cpss
