// Goes through the datagrams of one arrival: the kernel may have merged several into it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "net/datagram_socket.h"

namespace cpss {

class ArrivalCursor {
 public:
  ArrivalCursor() = default;  // at the end of nothing
  // `memory` holds the arrival's bytes and outlives the cursor.
  ArrivalCursor(const Arrival& arrival, std::byte* memory) noexcept
      : bytes_(memory, arrival.length),
        remaining_(arrival.datagrams()),
        segment_size_(remaining_ == 1 ? arrival.length : arrival.segment_size),
        truncated_(arrival.truncated) {}

  std::uint32_t remaining() const noexcept { return remaining_; }  // datagrams, this one included
  bool done() const noexcept { return remaining_ == 0; }

  // Only while not done(). The datagram's bytes; if it was truncated, the bytes received.
  std::span<std::byte> bytes() const noexcept {
    return bytes_.first(std::min<std::size_t>(segment_size_, bytes_.size()));
  }
  // The buffer ended within this datagram. Only the last datagram of an arrival can be cut.
  bool cut() const noexcept { return truncated_ && remaining_ == 1; }
  void next() noexcept {
    bytes_ = bytes_.subspan(bytes().size());
    --remaining_;
  }

 private:
  std::span<std::byte> bytes_;  // from this datagram on
  std::uint32_t remaining_ = 0;
  std::uint32_t segment_size_ = 0;
  bool truncated_ = false;
};

}  // namespace cpss
