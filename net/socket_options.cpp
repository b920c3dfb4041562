#include "net/socket_options.h"

#include <cerrno>

#include <netinet/udp.h>
#include <poll.h>

#include "base/file_descriptor.h"
#include "net/segmentation.h"

namespace cpss {

int open_udp_socket(sa_family_t family) noexcept {
  return ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
}

int int_option(int fd, int level, int name) noexcept {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, level, name, &value, &size) == 0 ? value : 0;
}

std::array<std::uint32_t, SK_MEMINFO_VARS> memory_info(int fd) noexcept {
  std::array<std::uint32_t, SK_MEMINFO_VARS> values{};
  socklen_t size = sizeof values;
  ::getsockopt(fd, SOL_SOCKET, SO_MEMINFO, values.data(), &size);
  return values;
}

SocketAddress bound_address(int fd) noexcept {
  SocketAddress address;
  socklen_t size = SocketAddress::kCapacity;
  if (::getsockname(fd, address.data(), &size) != 0) return {};
  return address;
}

// A group's address can be bound, but no reply can leave from it, and datagrams that arrive there
// must never be answered. Only the kernel knows the broadcast addresses of its networks: it refuses
// to connect to one without SO_BROADCAST (ip(7)).
bool is_group(const SocketAddress& address) noexcept {
  const IpAddress ip = address.ip();
  if (ip.is_multicast() || ip.is_broadcast()) return true;
  if (!ip.is_v4() || ip.is_unspecified()) return false;
  const FileDescriptor probe(open_udp_socket(AF_INET));
  return ::connect(probe.get(), address.data(), address.size()) != 0 && errno == EACCES;
}

std::size_t small_datagram_cost() noexcept {
  // Taken if loopback is down. Linux 6.18 charges it on x86-64: a block of 1024 bytes for data and
  // skb_shared_info, and 256 for the sk_buff.
  constexpr std::size_t kUsual = 1280;

  const SocketAddress any_port(*IpAddress::parse("127.0.0.1"), 0);
  const FileDescriptor socket(open_udp_socket(AF_INET));
  if (::bind(socket.get(), any_port.data(), any_port.size()) != 0) return kUsual;
  const SocketAddress self = bound_address(socket.get());
  const std::array<std::byte, 256> payload{};
  if (::sendto(socket.get(), payload.data(), payload.size(), MSG_DONTWAIT, self.data(),
               self.size()) < 0)
    return kUsual;
  pollfd readable{socket.get(), POLLIN, 0};
  if (::poll(&readable, 1, 100) != 1) return kUsual;
  const std::size_t cost = memory_info(socket.get())[SK_MEMINFO_RMEM_ALLOC];
  return cost != 0 ? cost : kUsual;
}

std::size_t segments_per_packet(int fd) noexcept {
  const int none = 0;  // segmentation only if a send asks for it
  if (!set_option(fd, IPPROTO_UDP, UDP_SEGMENT, none)) return 1;
  static const std::size_t max = max_segments();
  return max;
}

}  // namespace cpss
