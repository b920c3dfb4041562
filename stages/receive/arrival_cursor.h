// Goes through the datagrams of one arrival, of which the kernel may have merged several.
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
        left_(arrival.datagrams()),
        segment_size_(left_ == 1 ? arrival.length : arrival.segment_size),
        truncated_(arrival.truncated) {}

  std::uint32_t left() const noexcept { return left_; }  // datagrams, this one included
  bool done() const noexcept { return left_ == 0; }

  // While not done: the datagram's bytes; of one that was cut, those that are there.
  std::span<std::byte> bytes() const noexcept {
    return bytes_.first(std::min<std::size_t>(segment_size_, bytes_.size()));
  }
  // The buffer ended within this datagram. That can be said of the last one only.
  bool cut() const noexcept { return truncated_ && left_ == 1; }
  void next() noexcept {
    bytes_ = bytes_.subspan(bytes().size());
    --left_;
  }

 private:
  std::span<std::byte> bytes_;  // from this datagram on
  std::uint32_t left_ = 0;
  std::uint32_t segment_size_ = 0;
  bool truncated_ = false;
};

}  // namespace cpss
