// Memory for the arrivals of one recvmmsg() call, and the datagrams in it, one by one, even if the
// kernel has merged several (UDP_GRO, udp(7)).
//
// One thread. Nothing is allocated after construction.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <sys/socket.h>

namespace cpss::udpblast {

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
