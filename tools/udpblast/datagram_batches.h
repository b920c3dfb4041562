// Memory for the datagrams of one system call, with the headers that the kernel wants: a
// DatagramBatch to send, a ReplyBatch to receive. ClientSocket makes the calls.
//
// One thread. Nothing is allocated after construction.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <sys/socket.h>

namespace cpss::udpblast {

// The datagrams of one sendmmsg() call on a connected socket. The headers are in place before the
// call, which writes next to nothing into them.
//
// Several datagrams may leave as one packet, which the kernel splits at the end of the way
// (UDP_SEGMENT, udp(7)); then they lie side by side.
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

// The arrivals of one recvmmsg() call, and the datagrams in it, one by one, even if the kernel has
// merged several (UDP_GRO, udp(7)).
class ReplyBatch {
 public:
  // For arrivals of at most `bytes` (not 0): the kernel cuts longer ones. `merged`: they may hold
  // several datagrams, up to kMergedBytes (net/segmentation.h), and `bytes` does not count.
  ReplyBatch(std::size_t bytes, bool merged);
  ReplyBatch(const ReplyBatch&) = delete;
  ReplyBatch& operator=(const ReplyBatch&) = delete;

  std::size_t arrivals() const noexcept { return headers_.size(); }
  // For the kernel to fill.
  std::span<mmsghdr> headers() noexcept;
  // The datagrams of the first `filled` arrivals; valid until the next headers().
  std::span<const std::span<const std::byte>> datagrams(std::size_t filled) noexcept;

 private:
  std::size_t segment_size(const msghdr& header) const noexcept;

  struct alignas(cmsghdr) Control {
    std::byte bytes[CMSG_SPACE(sizeof(int))];
  };
  std::size_t bytes_;
  std::size_t stride_;
  std::vector<std::byte> memory_;
  std::vector<Control> controls_;  // empty if nothing is merged
  std::vector<iovec> vectors_;
  std::vector<mmsghdr> headers_;
  std::vector<std::span<const std::byte>> datagrams_;
};

}  // namespace cpss::udpblast
