#include "net/udp_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstring>
#include <ctime>
#include <fstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file_descriptor.h"
#include "net/control_messages.h"
#include "net/inherited_options.h"
#include "net/inherited_socket.h"
#include "net/segmentation.h"

namespace cpss {
namespace {

// What one recvmmsg or sendmmsg needs, for the most messages a call may have: up to 176 KiB.
//
// It lives on the stack of the call and is left uninitialised. So lanes that share a socket share
// nothing else, nothing is allocated at any time, and only the part that a call uses is written or
// even touched. (As a thread_local it would be cleared, page by page, at the start of every thread
// of the process, the short-lived ones included.)
template <std::size_t ControlBytes>
struct MessageArrays {
  std::array<mmsghdr, UdpSocket::kMaxPerCall> headers;
  std::array<iovec, UdpSocket::kMaxPerCall> vectors;
  struct alignas(cmsghdr) Control {
    std::array<std::byte, ControlBytes> bytes;
  };
  std::array<Control, UdpSocket::kMaxPerCall> controls;
};

int open_socket(sa_family_t family) noexcept {
  return ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
}

std::string advice(const SocketAddress& address, int code) {
  switch (code) {
    case EADDRINUSE:
      return fmt::format(
          "another socket has this port: stop its program (ss -lunp 'sport = :{}' names it) or "
          "choose another port",
          address.port());
    case EACCES:
      return fmt::format(
          "port {} is privileged: choose one from 1024 up, grant CAP_NET_BIND_SERVICE or lower "
          "sysctl net.ipv4.ip_unprivileged_port_start",
          address.port());
    case EADDRNOTAVAIL:
      return "this host does not have that address now: 'ip address' lists those it has; if it is "
             "to come later, start again then, or listen before (CPSS_FREEBIND=1)";
    case ENODEV:
      return "its interface is gone: 'ip link' lists those there are";
    case EAFNOSUPPORT:
      return "this host has that address family switched off";
    case EINVAL:
      return "a link-local IPv6 address cannot be listened on without its interface: write it "
             "behind a %, as in [fe80::1%eth0]:7700";
    case EMFILE:
    case ENFILE:
      return "too many open files: raise 'ulimit -n'";
    default:
      return "see socket(7) and udp(7) for this error";
  }
}

[[noreturn]] void fail(const SocketAddress& address, const char* action, int code) {
  throw SocketError(fmt::format("cannot listen on {}: {}: {}; {}", address.to_string(), action,
                                std::strerror(code), advice(address, code)),
                    code);
}

std::int64_t monotonic_ns() noexcept {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

template <typename Value>
bool set_option(int fd, int level, int name, const Value& value) noexcept {
  return ::setsockopt(fd, level, name, &value, sizeof value) == 0;
}

int int_option(int fd, int level, int name) noexcept {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, level, name, &value, &size) == 0 ? value : 0;
}

// Whether it is no use to wait for an IPv6 address: IPv6 is switched off, and no interface has an
// exception (ip-sysctl, disable_ipv6). Where /proc says nothing it is not.
bool without_ipv6() {
  char off = '0';
  if (!(std::ifstream("/proc/sys/net/ipv6/conf/all/disable_ipv6") >> off) || off != '1')
    return false;
  std::string any;
  return !(std::ifstream("/proc/net/if_inet6") >> any);
}

// The forced form goes beyond net.core.rmem_max / wmem_max but needs CAP_NET_ADMIN; the plain form
// gives what the limit allows, silently: buffer_info() tells (socket(7)).
//
// `keep_larger`: whoever opened an inherited socket may have been allowed more than we are.
void set_buffer(int fd, int forced, int plain, std::size_t bytes, bool keep_larger) noexcept {
  // The kernel doubles the value and keeps it in an int.
  const int value = static_cast<int>(std::min<std::size_t>(bytes, INT_MAX / 2));
  if (keep_larger && int_option(fd, SOL_SOCKET, plain) >= 2 * value) return;
  if (!set_option(fd, SOL_SOCKET, forced, value)) set_option(fd, SOL_SOCKET, plain, value);
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

// A broadcast or multicast address can be bound, but no reply can leave from it, and what arrives
// there must never be answered. Only the kernel knows the broadcast addresses of its networks: it
// refuses to connect to one without SO_BROADCAST (ip(7)).
bool is_group(const SocketAddress& address) noexcept {
  const IpAddress ip = address.ip();
  if (ip.is_multicast() || ip.is_broadcast()) return true;
  if (!ip.is_v4() || ip.is_unspecified()) return false;
  const FileDescriptor probe(open_socket(AF_INET));
  return ::connect(probe.get(), address.data(), address.size()) != 0 && errno == EACCES;
}

void refuse_group(const SocketAddress& address) {
  if (!is_group(address)) return;
  throw SocketError(
      fmt::format("cannot listen on {}: nothing can be answered from a broadcast or multicast "
                  "address; use an address of this host or the wildcard",
                  address.to_string()),
      EINVAL);
}

// What the kernel charges a receive buffer for one datagram of 256 bytes (its `truesize`: the
// sk_buff and the whole block its data lies in, several times the payload), measured on loopback.
// The driver of a network card may charge 2 to 4 KiB for the same datagram.
std::size_t small_datagram_cost() noexcept {
  // Where loopback is down: as Linux 6.18 charges it on x86-64, a block of 1024 bytes for data and
  // skb_shared_info and 256 for the sk_buff.
  constexpr std::size_t kUsual = 1280;

  const SocketAddress any_port(*IpAddress::parse("127.0.0.1"), 0);
  const FileDescriptor socket(open_socket(AF_INET));
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

// 1 where the kernel does not know UDP_SEGMENT (before 4.18).
std::size_t segments_per_packet(int fd) noexcept {
  const int none = 0;  // no segmentation but where a send asks for it
  if (!set_option(fd, IPPROTO_UDP, UDP_SEGMENT, none)) return 1;
  static const std::size_t max = max_segments();
  return max;
}

}  // namespace

UdpSocket::UdpSocket(const SocketAddress& address, const UdpSocketOptions& options)
    : wildcard_(address.ip().is_unspecified()) {
  refuse_group(address);
  FileDescriptor socket(open_socket(address.family()));
  const int fd = socket.get();
  if (fd < 0) fail(address, "socket", errno);
  if (address.family() == AF_INET6) {
    // Always said: the default is a sysctl (ipv6(7)).
    const int only = options.ipv6_only ? 1 : 0;
    if (!set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, only)) fail(address, "IPV6_V6ONLY", errno);
  }
  ask_for(options, fd, address);
  const int on = 1;
  if (options.reuse_port && !set_option(fd, SOL_SOCKET, SO_REUSEPORT, on))
    fail(address, "SO_REUSEPORT", errno);
  // Last, so that nothing arrives at a half-made socket. No SO_REUSEADDR: for UDP it would let
  // another program take our datagrams.
  if (options.freebind &&
      !set_option(fd, address.family() == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP,
                  address.family() == AF_INET6 ? IPV6_FREEBIND : IP_FREEBIND, on))
    fail(address, "IP_FREEBIND", errno);
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
  // O_NONBLOCK stays as it is: whoever opened the socket shares it, and we never wait in a call
  // (MSG_DONTWAIT).
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
  // An inherited socket that merges already goes on, whatever is asked for: what waits in it may be
  // merged, and its datagrams can be told apart only while the option is on.
  merges_ = (options.gro && set_option(fd, IPPROTO_UDP, UDP_GRO, on)) ||
            int_option(fd, IPPROTO_UDP, UDP_GRO) != 0;
  if (options.gso) max_segments_ = segments_per_packet(fd);
  set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, options.buffer_bytes, inherited_);
  set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, options.buffer_bytes, inherited_);
}

// How what we send travels.
void UdpSocket::set_path_options(const UdpSocketOptions& options, int fd,
                                 const SocketAddress& address, bool takes_v4) const {
  const bool v6 = address.family() == AF_INET6;
  // Else the kernel refuses to send from an address that is local by a route alone ("ip -6 route
  // add local"), though it delivers what is sent there. For IPv4 it looks at such routes itself.
  const int on = 1;
  if (v6 && wildcard_) set_option(fd, IPPROTO_IPV6, IPV6_FREEBIND, on);
  // A kernel that refuses it goes on as by default, and believes ICMP.
  const int omit = IP_PMTUDISC_OMIT;
  if (takes_v4) set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, omit);
  // The default, which the giver of an inherited socket may have changed: what is longer than the
  // path takes leaves in fragments, of no other size than that.
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

ReceiveResult UdpSocket::receive(std::span<const ReceiveBuffer> buffers,
                                 std::span<Arrival> arrivals) noexcept {
  MessageArrays<kReceiveControlBytes> arrays;
  const std::size_t max = std::min(buffers.size(), kMaxPerCall);
  for (std::size_t i = 0; i < max; ++i) {
    arrays.vectors[i] = {buffers[i].data, buffers[i].size};
    msghdr header{};
    header.msg_name = arrivals[i].peer.data();
    header.msg_namelen = SocketAddress::kCapacity;
    header.msg_iov = &arrays.vectors[i];
    header.msg_iovlen = 1;
    if (wants_control()) {
      header.msg_control = arrays.controls[i].bytes.data();
      header.msg_controllen = kReceiveControlBytes;
    }
    arrays.headers[i] = {header, 0};
  }

  int filled = 0;
  do {
    filled =
        ::recvmmsg(fd_, arrays.headers.data(), static_cast<unsigned>(max), MSG_DONTWAIT, nullptr);
  } while (filled < 0 && errno == EINTR);
  if (filled < 0) return {0, errno == EAGAIN ? 0 : errno};

  for (std::size_t i = 0; i < static_cast<std::size_t>(filled); ++i) {
    msghdr& header = arrays.headers[i].msg_hdr;
    Arrival& arrival = arrivals[i];
    arrival.local = {};
    arrival.length = arrays.headers[i].msg_len;
    arrival.segment_size = 0;
    arrival.truncated = (header.msg_flags & MSG_TRUNC) != 0;
    arrival.to_group = false;
    arrival.control_cut = false;
    if (wants_control()) read_control(header, arrival);
  }
  return {static_cast<std::size_t>(filled), 0};
}

SendResult UdpSocket::send(std::span<const OutgoingDatagram> datagrams) noexcept {
  datagrams = datagrams.first(std::min(datagrams.size(), kMaxPerCall));
  // The clock is read only after a refusal.
  const bool pause = offload_pause_.begun() && !offload_pause_.over(monotonic_ns());
  const std::size_t max = pause ? 1 : max_segments_;
  const SendResult result = send_as_packets(datagrams, max);
  if (result.error == 0 || result.error == EAGAIN || max == 1) return result;
  const std::size_t refused = segments_of_one_packet(datagrams, max);
  if (refused == 1) return result;
  if (result.error == EIO) offload_pause_.begin(monotonic_ns());
  return send_as_packets(datagrams.first(refused), 1);
}

SendResult UdpSocket::send_as_packets(std::span<const OutgoingDatagram> datagrams,
                                      std::size_t max_segments) noexcept {
  MessageArrays<kSendControlBytes> arrays;
  std::size_t packets = 0;
  for (std::size_t done = 0; done < datagrams.size(); ++packets) {
    const auto rest = datagrams.subspan(done);
    const auto packet =
        rest.first(max_segments == 1 ? 1 : segments_of_one_packet(rest, max_segments));
    // The kernel only reads these; the structs are shared with recvmsg and so not const.
    for (std::size_t i = 0; i < packet.size(); ++i)
      arrays.vectors[done + i] = {const_cast<std::byte*>(packet[i].data), packet[i].size};
    msghdr header{};
    header.msg_name = const_cast<sockaddr*>(packet.front().peer->data());
    header.msg_namelen = packet.front().peer->size();
    header.msg_iov = &arrays.vectors[done];
    header.msg_iovlen = packet.size();
    std::byte* control = arrays.controls[packets].bytes.data();
    header.msg_controllen = write_control(control, local_.family(), packet);
    if (header.msg_controllen > 0) header.msg_control = control;
    arrays.headers[packets] = {header, 0};
    done += packet.size();
  }

  int accepted = 0;
  do {
    accepted = ::sendmmsg(fd_, arrays.headers.data(), static_cast<unsigned>(packets),
                          MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (accepted < 0 && errno == EINTR);
  if (accepted < 0) return {0, errno};
  // Fewer than asked: the kernel has lost the reason (sendmmsg(2), BUGS). The caller's next call,
  // which starts with the refused packet, brings it.
  std::size_t datagrams_accepted = 0;
  for (int i = 0; i < accepted; ++i)
    datagrams_accepted += arrays.headers[static_cast<std::size_t>(i)].msg_hdr.msg_iovlen;
  return {datagrams_accepted, 0};
}

void UdpSocket::wait_writable(std::chrono::milliseconds longest) noexcept {
  pollfd writable{fd_, POLLOUT, 0};
  const auto limit = std::clamp<std::chrono::milliseconds::rep>(longest.count(), 0, INT_MAX);
  if (::poll(&writable, 1, static_cast<int>(limit)) >= 0 || errno == EINTR) return;
  // Whoever tries to send again after each wait would otherwise do nothing else.
  const timespec pause{0, 1'000'000};
  ::nanosleep(&pause, nullptr);
}

SendBufferUse UdpSocket::send_buffer_use() const noexcept {
  const auto info = memory_info(fd_);
  return {info[SK_MEMINFO_WMEM_ALLOC], info[SK_MEMINFO_SNDBUF]};
}

SocketBufferInfo UdpSocket::buffer_info() const noexcept {
  SocketBufferInfo info;
  info.receive_bytes = static_cast<std::size_t>(int_option(fd_, SOL_SOCKET, SO_RCVBUF));
  info.send_bytes = static_cast<std::size_t>(int_option(fd_, SOL_SOCKET, SO_SNDBUF));
  // Older kernels than 6.18 may take one more: they look at the charge without the new datagram.
  info.receive_datagrams = info.receive_bytes / small_datagram_cost();
  return info;
}

void UdpSocket::share_port() {
  const int on = 1;
  if (!set_option(fd_, SOL_SOCKET, SO_REUSEPORT, on)) fail(local_, "SO_REUSEPORT", errno);
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

// A connected socket gets what its peer sends to the local address that it has then, and no more
// (udp(7)). That of a wildcard becomes loopback, for IPv4 too where it takes both.
bool UdpSocket::turn_away() noexcept {
  SocketAddress self = local_;
  if (wildcard_)
    self = {*IpAddress::parse(local_.family() == AF_INET ? "127.0.0.1" : "::1"), local_.port()};
  if (::connect(fd_, self.data(), self.size()) == 0) return true;
  // Where the host has no IPv6 address at all, not even ::1, a socket of both families serves IPv4.
  if (!wildcard_ || local_.family() != AF_INET6) return false;
  sockaddr_in6 mapped{};
  mapped.sin6_family = AF_INET6;
  mapped.sin6_port = htons(local_.port());
  const IpAddress loopback = *IpAddress::parse("127.0.0.1");
  std::memcpy(&mapped.sin6_addr, loopback.bytes.data(), sizeof mapped.sin6_addr);
  return ::connect(fd_, reinterpret_cast<const sockaddr*>(&mapped), sizeof mapped) == 0;
}

// MSG_TRUNC without a buffer takes a datagram and copies nothing (recv(2)). An error that was
// pending at the socket is told once; a second one in a row ends it.
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

std::size_t UdpSocket::buffer_bytes() const noexcept {
  return static_cast<std::size_t>(int_option(fd_, SOL_SOCKET, SO_RCVBUF)) +
         static_cast<std::size_t>(int_option(fd_, SOL_SOCKET, SO_SNDBUF));
}

}  // namespace cpss
