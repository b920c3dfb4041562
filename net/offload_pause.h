// For how long a socket does without segmentation offload after a send with it was refused (EIO).
//
// A refusal belongs to a route. The route may change, or the next datagram may take another one, so
// the socket tries again. A refused try costs one system call in each `kLength`.
//
// Any number of threads. Relaxed: a thread that sees a change late tries once too often, or once
// too late.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace cpss {

class OffloadPause {
 public:
  static constexpr std::chrono::nanoseconds kLength = std::chrono::seconds(1);

  // Times are monotonic_ns() (base/clock.h).
  void begin(std::uint64_t now_ns) noexcept {
    end_ns_.store(now_ns + static_cast<std::uint64_t>(kLength.count()), std::memory_order_relaxed);
  }
  // While this is false, the caller need not read the clock.
  bool begun() const noexcept { return end_ns_.load(std::memory_order_relaxed) != 0; }
  // Whether the pause is over; then begun() is false again.
  bool over(std::uint64_t now_ns) noexcept {
    if (now_ns < end_ns_.load(std::memory_order_relaxed)) return false;
    end_ns_.store(0, std::memory_order_relaxed);
    return true;
  }

 private:
  std::atomic<std::uint64_t> end_ns_{0};  // 0: none
};

}  // namespace cpss
