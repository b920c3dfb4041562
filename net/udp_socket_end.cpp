// The functions of UdpSocket for the main thread: figures while the server runs, and the end.
#include <cerrno>
#include <cstring>

#include <linux/filter.h>
#include <sys/socket.h>

#include "net/socket_options.h"
#include "net/udp_socket.h"

namespace cpss {

SocketBufferInfo UdpSocket::buffer_info() const noexcept {
  SocketBufferInfo info;
  info.receive_bytes = static_cast<std::size_t>(int_option(fd_, SOL_SOCKET, SO_RCVBUF));
  info.send_bytes = static_cast<std::size_t>(int_option(fd_, SOL_SOCKET, SO_SNDBUF));
  // Kernels before 6.18 may take one more: they check the charge without the new datagram.
  info.receive_datagrams = info.receive_bytes / small_datagram_cost();
  return info;
}

std::size_t UdpSocket::buffer_bytes() const noexcept {
  return static_cast<std::size_t>(int_option(fd_, SOL_SOCKET, SO_RCVBUF)) +
         static_cast<std::size_t>(int_option(fd_, SOL_SOCKET, SO_SNDBUF));
}

std::uint64_t UdpSocket::kernel_dropped() noexcept {
  dropped_ = extend_counter(dropped_, memory_info(fd_)[SK_MEMINFO_DROPS]);
  return dropped_;
}

bool UdpSocket::stop_arrivals() noexcept {
  sock_filter accept_nothing{BPF_RET | BPF_K, 0, 0, 0};
  const sock_fprog program{1, &accept_nothing};
  return set_option(fd_, SOL_SOCKET, SO_ATTACH_FILTER, program);
}

// A connected socket gets only the datagrams that its peer sends to its local address (udp(7)).
// connect(2) turns a wildcard address into loopback; that closes a socket of both families to IPv4,
// too.
bool UdpSocket::turn_away() noexcept {
  SocketAddress self = local_;
  if (wildcard_)
    self = {*IpAddress::parse(local_.family() == AF_INET ? "127.0.0.1" : "::1"), local_.port()};
  if (::connect(fd_, self.data(), self.size()) == 0) return true;
  // On a host without any IPv6 address, not even ::1, a socket of both families serves IPv4.
  if (!wildcard_ || local_.family() != AF_INET6) return false;
  sockaddr_in6 mapped{};
  mapped.sin6_family = AF_INET6;
  mapped.sin6_port = htons(local_.port());
  const IpAddress loopback = *IpAddress::parse("127.0.0.1");
  std::memcpy(&mapped.sin6_addr, loopback.bytes.data(), sizeof mapped.sin6_addr);
  return ::connect(fd_, reinterpret_cast<const sockaddr*>(&mapped), sizeof mapped) == 0;
}

// MSG_TRUNC without a buffer takes a datagram and copies nothing (recv(2)). The kernel reports a
// pending error of the socket once; a second error in a row ends the loop.
std::uint64_t UdpSocket::discard_unread() noexcept {
  constexpr std::uint64_t kMax = 1'000'000;
  std::uint64_t packets = 0;
  for (int failed = 0; failed < 2 && packets < kMax;) {
    if (::recv(fd_, nullptr, 0, MSG_DONTWAIT | MSG_TRUNC) >= 0) {
      ++packets;
      failed = 0;
    } else if (errno != EINTR) {
      ++failed;
    }
  }
  return packets;
}

}  // namespace cpss
