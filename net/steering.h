// Which socket of a group gets a datagram. A group are the UDP sockets of one address and port
// (UdpSocket::share_port(), UdpSocketOptions::reuse_port); the kernel chooses among them.
//
// Main thread, at set-up.
#pragma once

#include "base/steering.h"
#include "net/udp_socket.h"

namespace cpss {

// Steers the whole group that `member` belongs to. Its sockets, `members` of them, are numbered as
// they joined; where the number that comes out has no socket, the kernel goes by the hash.
// round_robin needs Linux 5.12 and the right to extended BPF; the others need neither. Throws
// SocketError, whose text says what to do, and then the group is steered as before.
void steer(UdpSocket& member, Steering how, unsigned members);

}  // namespace cpss
