#include "tools/udpblast/client_socket.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include <fmt/format.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#include "net/udp_socket.h"

namespace cpss::udpblast {
namespace {

// Room for the replies that arrive while this thread does not run. The kernel gives less if
// net.core.rmem_max is lower. That is no error: udpblast counts and reports what the kernel drops.
constexpr int kReceiveBuffer = 4 << 20;

[[noreturn]] void fail(const SocketAddress& address, const char* call, const char* advice) {
  const int error = errno;
  throw SocketError(
      fmt::format("{}: {}: {}{}", address.to_string(), call, std::strerror(error), advice), error);
}

constexpr const char* kInterfaceMissing =
    "; a link-local address needs its interface, as in fe80::1%eth0";

// fe80::/10 (RFC 4291 section 2.5.6).
bool needs_interface(const SocketAddress& address) {
  const IpAddress ip = address.ip();
  return ip.bytes[0] == 0xfe && (ip.bytes[1] & 0xc0) == 0x80;
}

// By the errno of a socket(2) that failed.
const char* advice_without_socket() {
  switch (errno) {
    case EMFILE:
      return "; use fewer clients (-c) or raise the limit (ulimit -n)";
    case EAFNOSUPPORT:
      return "; this host has that address family switched off";
    default:
      return "";
  }
}

FileDescriptor open_socket(const SocketAddress& address) {
  FileDescriptor fd(
      ::socket(address.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
  if (!fd.valid()) fail(address, "socket", advice_without_socket());
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer);
  return fd;
}

ClientSocket::Result result_of(int returned) {
  if (returned < 0) return {0, errno};
  return {static_cast<std::size_t>(returned), 0};
}

constexpr unsigned kErrorsInARow = 3;

// Such an error passes by itself.
bool no_room(int error) noexcept {
  return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS || error == ENOMEM;
}

// For SocketWait, which has no address.
[[noreturn]] void fail(const char* call) {
  const int error = errno;
  throw SocketError(fmt::format("{}: {}{}", call, std::strerror(error),
                                error == EMFILE ? "; raise the limit (ulimit -n)" : ""),
                    error);
}

}  // namespace

ClientSocket::ClientSocket(const SocketAddress& server, const std::optional<SocketAddress>& source)
    : fd_(open_socket(server)) {
  if (source && ::bind(fd_.get(), source->data(), source->size()) != 0)
    fail(*source, "bind",
         needs_interface(*source)
             ? kInterfaceMissing
             : "; --source is an address of this host: 'ip address' lists those");
  if (::connect(fd_.get(), server.data(), server.size()) != 0)
    fail(server, "connect",
         needs_interface(server) ? kInterfaceMissing : "; is this address reachable from here?");
}

void ClientSocket::use_segments(std::size_t bytes) {
  const int segment = static_cast<int>(bytes);
  const int on = 1;
  if (::setsockopt(fd_.get(), IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment) != 0 ||
      ::setsockopt(fd_.get(), IPPROTO_UDP, UDP_GRO, &on, sizeof on) != 0)
    fail(local_address(), "UDP_SEGMENT or UDP_GRO", "; --segment needs Linux 5.0 or later");
}

ClientSocket ClientSocket::bound_to(const SocketAddress& address) {
  ClientSocket socket(open_socket(address));
  if (::bind(socket.fd_.get(), address.data(), address.size()) != 0)
    fail(address, "bind",
         needs_interface(address) ? kInterfaceMissing
                                  : "; -s and -p say where the replies arrive, on this host");
  return socket;
}

SocketAddress ClientSocket::local_address() const {
  SocketAddress address;
  socklen_t length = SocketAddress::kCapacity;
  ::getsockname(fd_.get(), address.data(), &length);
  return address;
}

ClientSocket::Result ClientSocket::send(DatagramBatch& batch, std::size_t first,
                                        std::size_t count) noexcept {
  const std::span<mmsghdr> packets = batch.packets(first, count);
  Result result =
      result_of(::sendmmsg(fd_.get(), packets.data(), static_cast<unsigned>(packets.size()), 0));
  result.done = std::min(count, result.done * batch.segments());
  return result;
}

ClientSocket::Result ClientSocket::receive(ReplyBatch& batch) noexcept {
  const std::span<mmsghdr> headers = batch.headers();
  return result_of(
      ::recvmmsg(fd_.get(), headers.data(), static_cast<unsigned>(headers.size()), 0, nullptr));
}

std::uint64_t ClientSocket::kernel_dropped() const noexcept {
  std::array<std::uint32_t, SK_MEMINFO_VARS> values{};
  socklen_t length = sizeof values;
  if (::getsockopt(fd_.get(), SOL_SOCKET, SO_MEMINFO, values.data(), &length) != 0) return 0;
  return values[SK_MEMINFO_DROPS];
}

std::size_t Transmitter::transmit(ClientSocket& socket, DatagramBatch& batch, std::size_t count,
                                  std::uint64_t now_ns) {
  std::size_t sent = 0;
  unsigned errors_in_a_row = 0;
  while (sent < count) {
    tally_.add(Count::send_calls);
    const ClientSocket::Result result = socket.send(batch, sent, count - sent);
    const int error = result.error;
    if (error == 0) {
      sent += result.done;
      if (sent < count) tally_.add(Count::partial_sends);
      errors_in_a_row = 0;
      continue;
    }
    if (error == EINTR) continue;
    if (no_room(error)) {
      tally_.add(Count::send_waits);
      break;
    }
    // An error may belong to an earlier datagram (ICMP): the kernel reports it once, and the next
    // try sends.
    if (error == ECONNREFUSED) {
      tally_.add(Count::connection_refused);
    } else {
      tally_.add(Count::send_errors);
      findings_.note(Fault::send_error, now_ns, [&] { return std::strerror(error); });
    }
    if (++errors_in_a_row == kErrorsInARow) break;
  }
  tally_.add(Count::sent, sent);
  return sent;
}

SocketWait::SocketWait() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_.valid()) fail("epoll_create1");
}

void SocketWait::add(int descriptor, std::uint32_t index) {
  epoll_event event{.events = EPOLLIN, .data = {.u32 = index}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) != 0) fail("epoll_ctl");
}

std::span<const std::uint32_t> SocketWait::wait(std::uint64_t now_ns,
                                                std::uint64_t until_ns) noexcept {
  const std::uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
  const timespec left{.tv_sec = static_cast<time_t>(left_ns / 1'000'000'000),
                      .tv_nsec = static_cast<long>(left_ns % 1'000'000'000)};
  int ready = ::epoll_pwait2(epoll_.get(), events_.data(), kEvents, &left, nullptr);
  if (ready < 0 && errno == ENOSYS) {  // Linux before 5.11
    pollfd readable{epoll_.get(), POLLIN, 0};
    ::ppoll(&readable, 1, &left, nullptr);
    ready = ::epoll_wait(epoll_.get(), events_.data(), kEvents, 0);
  }
  error_ = ready < 0 && errno != EINTR ? errno : 0;
  for (int i = 0; i < ready; ++i)
    indexes_[static_cast<std::size_t>(i)] = events_[static_cast<std::size_t>(i)].data.u32;
  return std::span(indexes_).first(ready > 0 ? static_cast<std::size_t>(ready) : 0);
}

}  // namespace cpss::udpblast
