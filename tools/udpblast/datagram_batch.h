// Memory for the datagrams of one sendmmsg() or recvmmsg() call on a connected socket, with the
// headers the kernel wants already in place: a call writes none of them.
//
// One thread. Nothing is allocated after construction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <sys/socket.h>

namespace cpss::udpblast {

class DatagramBatch {
 public:
  // `count` datagrams of `bytes` (not 0) each.
  DatagramBatch(std::size_t count, std::size_t bytes);
  DatagramBatch(const DatagramBatch&) = delete;
  DatagramBatch& operator=(const DatagramBatch&) = delete;

  std::size_t count() const noexcept { return headers_.size(); }
  std::span<std::byte> window(std::size_t i) noexcept {
    return {memory_.data() + i * stride_, bytes_};
  }
  // After a receive: what arrived.
  std::span<const std::byte> received(std::size_t i) const noexcept {
    return {memory_.data() + i * stride_, headers_[i].msg_len};
  }
  mmsghdr* headers() noexcept { return headers_.data(); }

 private:
  std::size_t bytes_;
  std::size_t stride_;
  std::vector<std::byte> memory_;
  std::vector<iovec> vectors_;
  std::vector<mmsghdr> headers_;
};

}  // namespace cpss::udpblast
