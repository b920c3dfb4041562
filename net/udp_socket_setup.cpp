// How a UdpSocket is opened or taken over, and which options it sets.
#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file_descriptor.h"
#include "net/bind_advice.h"
#include "net/inherited_options.h"
#include "net/inherited_socket.h"
#include "net/socket_options.h"
#include "net/udp_socket.h"

namespace cpss {
namespace {

[[noreturn]] void fail(const SocketAddress& address, const char* action, int code) {
  throw SocketError(fmt::format("cannot listen on {}: {}: {}; {}", address.to_string(), action,
                                std::strerror(code), bind_advice(address, code)),
                    code);
}

// The forced form goes beyond net.core.rmem_max / wmem_max but needs CAP_NET_ADMIN. With the plain
// form the kernel gives what the limit allows, silently (socket(7)): buffer_info() tells.
//
// `keep_larger`: the program that opened an inherited socket may have been allowed more than we
// are.
void set_buffer(int fd, int forced, int plain, std::size_t bytes, bool keep_larger) noexcept {
  // The kernel doubles the value and keeps it in an int.
  const int value = static_cast<int>(std::min<std::size_t>(bytes, INT_MAX / 2));
  if (keep_larger && int_option(fd, SOL_SOCKET, plain) >= 2 * value) return;
  if (!set_option(fd, SOL_SOCKET, forced, value)) set_option(fd, SOL_SOCKET, plain, value);
}

void refuse_group(const SocketAddress& address) {
  if (!is_group(address)) return;
  throw SocketError(
      fmt::format("cannot listen on {}: nothing can be answered from a broadcast or multicast "
                  "address; use an address of this host or the wildcard",
                  address.to_string()),
      EINVAL);
}

}  // namespace

UdpSocket::UdpSocket(const SocketAddress& address, const UdpSocketOptions& options)
    : wildcard_(address.ip().is_unspecified()) {
  refuse_group(address);
  FileDescriptor socket(open_udp_socket(address.family()));
  const int fd = socket.get();
  if (fd < 0) fail(address, "socket", errno);
  if (address.family() == AF_INET6) {
    // Always set: the default is a sysctl (ipv6(7)).
    const int only = options.ipv6_only ? 1 : 0;
    if (!set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, only)) fail(address, "IPV6_V6ONLY", errno);
  }
  ask_for(options, fd, address);
  const int on = 1;
  if (options.reuse_port && !set_option(fd, SOL_SOCKET, SO_REUSEPORT, on))
    fail(address, "SO_REUSEPORT", errno);
  if (options.freebind &&
      !set_option(fd, address.family() == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP,
                  address.family() == AF_INET6 ? IPV6_FREEBIND : IP_FREEBIND, on))
    fail(address, "IP_FREEBIND", errno);
  // Last, so that nothing arrives at a half-made socket. Without SO_REUSEADDR: for UDP it would let
  // another program take our datagrams.
  if (::bind(fd, address.data(), address.size()) != 0) {
    const int code = errno;
    const bool never = code == EADDRNOTAVAIL && address.family() == AF_INET6 && without_ipv6();
    fail(address, "bind", never ? EAFNOSUPPORT : code);
  }
  local_ = bound_address(fd);
  fd_ = socket.release();
}

UdpSocket::UdpSocket(InheritedDescriptor inherited, const UdpSocketOptions& options)
    : local_(address_of_inherited(inherited.fd)),
      wildcard_(local_.ip().is_unspecified()),
      inherited_(true) {
  refuse_group(local_);
  notes_ = reset_inherited_options(inherited.fd, local_);
  ask_for(options, inherited.fd, local_);
  // O_NONBLOCK stays as it is: the program that opened the socket shares it, and we never wait in a
  // call (MSG_DONTWAIT).
  if (::fcntl(inherited.fd, F_SETFD, FD_CLOEXEC) != 0) fail(local_, "FD_CLOEXEC", errno);
  fd_ = inherited.fd;
}

void UdpSocket::ask_for(const UdpSocketOptions& options, int fd, const SocketAddress& address) {
  const int on = 1;
  const bool v6 = address.family() == AF_INET6;
  if (wildcard_ && v6 && !set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, on))
    fail(address, "IPV6_RECVPKTINFO", errno);
  const bool takes_v4 = !v6 || int_option(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 0;
  if (wildcard_ && takes_v4 && !set_option(fd, IPPROTO_IP, IP_PKTINFO, on))
    fail(address, "IP_PKTINFO", errno);
  set_path_options(options, fd, address, takes_v4);
  // An inherited socket that merges already goes on merging, with or without options.gro: packets
  // that wait in it may be merged, and can be split into datagrams only while the option is on.
  merges_ = (options.gro && set_option(fd, IPPROTO_UDP, UDP_GRO, on)) ||
            int_option(fd, IPPROTO_UDP, UDP_GRO) != 0;
  if (options.gso) max_segments_ = segments_per_packet(fd);
  set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, options.buffer_bytes, inherited_);
  set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, options.buffer_bytes, inherited_);
}

// How our datagrams travel.
void UdpSocket::set_path_options(const UdpSocketOptions& options, int fd,
                                 const SocketAddress& address, bool takes_v4) const {
  const bool v6 = address.family() == AF_INET6;
  // Without it the kernel refuses to send from an address that only a route makes local ("ip -6
  // route add local"), though it delivers datagrams sent there. For IPv4 it looks at such routes
  // itself.
  const int on = 1;
  if (v6 && wildcard_) set_option(fd, IPPROTO_IPV6, IPV6_FREEBIND, on);
  // A kernel that refuses this keeps its default, and believes ICMP.
  const int omit = IP_PMTUDISC_OMIT;
  if (takes_v4) set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, omit);
  // These are the defaults, which the program that opened an inherited socket may have changed: the
  // kernel splits a datagram that is longer than the path takes into fragments of just that size.
  const int want = IPV6_PMTUDISC_WANT;
  const int any = 0;
  if (v6) set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, want);
  if (v6) set_option(fd, IPPROTO_IPV6, IPV6_MTU, any);
  if (!options.dscp) return;
  const int traffic_class = static_cast<int>(*options.dscp << 2);  // above the two bits of ECN
  if (takes_v4 && !set_option(fd, IPPROTO_IP, IP_TOS, traffic_class))
    fail(address, "IP_TOS", errno);
  if (v6 && !set_option(fd, IPPROTO_IPV6, IPV6_TCLASS, traffic_class))
    fail(address, "IPV6_TCLASS", errno);
}

UdpSocket::~UdpSocket() {
  ::close(fd_);
}

void UdpSocket::share_port() {
  const int on = 1;
  if (!set_option(fd_, SOL_SOCKET, SO_REUSEPORT, on)) fail(local_, "SO_REUSEPORT", errno);
}

}  // namespace cpss
