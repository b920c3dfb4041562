// Memory for the datagrams of one sendmmsg() call on a connected socket, with the headers that the
// kernel wants already in place: a call writes next to nothing into them.
//
// Several datagrams may leave as one packet, which the kernel splits at the end of the way
// (UDP_SEGMENT, udp(7)); then they lie side by side.
//
// One thread. Nothing is allocated after construction.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <sys/socket.h>

namespace cpss::udpblast {

class DatagramBatch {
 public:
  // `count` datagrams of `bytes` (not 0) each, `segments` (not 0) of them in a packet.
  DatagramBatch(std::size_t count, std::size_t bytes, std::size_t segments = 1);
  DatagramBatch(const DatagramBatch&) = delete;
  DatagramBatch& operator=(const DatagramBatch&) = delete;

  std::size_t segments() const noexcept { return segments_; }
  std::span<std::byte> window(std::size_t i) noexcept {
    return {memory_.data() + i * stride_, bytes_};
  }
  // The packets of datagrams first to first + count - 1; `first` begins one. Valid until the next
  // call.
  std::span<mmsghdr> packets(std::size_t first, std::size_t count) noexcept;

 private:
  std::size_t bytes_;
  std::size_t segments_;
  std::size_t stride_;
  std::vector<std::byte> memory_;
  std::vector<iovec> vectors_;
  std::vector<mmsghdr> headers_;
};

}  // namespace cpss::udpblast
