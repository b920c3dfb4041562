#include "net/segmentation.h"

#include <array>
#include <cstdint>

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace cpss {
std::size_t segments_of_one_packet(std::span<const OutgoingDatagram> datagrams,
                                   std::size_t max) noexcept {
  const OutgoingDatagram& first = datagrams.front();
  if (first.size == 0) return 1;  // a segment has at least a byte
  std::size_t bytes = first.size;
  std::size_t count = 1;
  while (count < datagrams.size() && count < max) {
    const OutgoingDatagram& next = datagrams[count];
    if (next.size == 0 || next.size > first.size || bytes + next.size > kMaxSegmentedBytes ||
        !leaves_the_same_way(first, next))
      break;
    bytes += next.size;
    ++count;
    if (next.size < first.size) break;
  }
  return count;
}

std::size_t max_segments() noexcept {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
  if (fd < 0) return kMinSegments;
  sockaddr_in self{};
  self.sin_family = AF_INET;
  self.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof self;
  const int segment = 1;
  const std::array<std::byte, kMaxSegments> payload{};
  auto* const address = reinterpret_cast<sockaddr*>(&self);
  const bool more = ::bind(fd, address, size) == 0 && ::getsockname(fd, address, &size) == 0 &&
                    ::setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment) == 0 &&
                    ::sendto(fd, payload.data(), payload.size(), MSG_DONTWAIT, address, size) ==
                        static_cast<ssize_t>(payload.size());
  ::close(fd);
  return more ? kMaxSegments : kMinSegments;
}

}  // namespace cpss
