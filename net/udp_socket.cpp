// The hot path: a batch in, a batch out.
#include "net/udp_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <ctime>

#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "net/control_messages.h"
#include "net/segmentation.h"
#include "net/socket_options.h"

namespace cpss {
namespace {

// The arrays that one recvmmsg or sendmmsg needs, for the max number of messages: up to 176 KiB.
//
// They live on the stack of the call and are left uninitialised. So lanes that share a socket share
// nothing else, no call allocates, and a call touches only the part that it uses. (A thread_local
// would be cleared, page by page, at the start of every thread of the process, the short-lived ones
// included.)
template <std::size_t ControlBytes>
struct MessageArrays {
  std::array<mmsghdr, UdpSocket::kMaxPerCall> headers;
  std::array<iovec, UdpSocket::kMaxPerCall> vectors;
  struct alignas(cmsghdr) Control {
    std::array<std::byte, ControlBytes> bytes;
  };
  std::array<Control, UdpSocket::kMaxPerCall> controls;
};

}  // namespace

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
  // If the kernel took fewer than asked, it has lost the reason (sendmmsg(2), BUGS). The caller's
  // next call, which starts with the refused packet, brings it.
  std::size_t datagrams_accepted = 0;
  for (int i = 0; i < accepted; ++i)
    datagrams_accepted += arrays.headers[static_cast<std::size_t>(i)].msg_hdr.msg_iovlen;
  return {datagrams_accepted, 0};
}

void UdpSocket::wait_writable(std::chrono::milliseconds longest) noexcept {
  pollfd writable{fd_, POLLOUT, 0};
  const auto limit = std::clamp<std::chrono::milliseconds::rep>(longest.count(), 0, INT_MAX);
  if (::poll(&writable, 1, static_cast<int>(limit)) >= 0 || errno == EINTR) return;
  // The wait failed. Without this pause a lane that sends again after each wait would spin.
  const timespec pause{0, 1'000'000};
  ::nanosleep(&pause, nullptr);
}

BufferUse UdpSocket::send_buffer_use() const noexcept {
  const auto info = memory_info(fd_);
  return {info[SK_MEMINFO_WMEM_ALLOC], info[SK_MEMINFO_SNDBUF]};
}

BufferUse UdpSocket::receive_buffer_use() const noexcept {
  const auto info = memory_info(fd_);
  return {info[SK_MEMINFO_RMEM_ALLOC], info[SK_MEMINFO_RCVBUF]};
}

}  // namespace cpss
