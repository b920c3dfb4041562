// What a lane shows of itself to whoever watches that it does not hang.
//
// One writer, the lane; any reader, in any process that shares the memory. Relaxed: no more than
// these values is handed over with them.
#pragma once

#include <atomic>
#include <cstdint>

namespace cpss {

class LaneProgress {
 public:
  void round() noexcept {
    rounds_.store(rounds_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  void waits(bool in_its_place) noexcept {
    waiting_.store(in_its_place, std::memory_order_relaxed);
  }

  // Of its steps, so far.
  std::uint64_t rounds() const noexcept { return rounds_.load(std::memory_order_relaxed); }
  // In its wait place, or not running.
  bool waiting() const noexcept { return waiting_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> rounds_{0};
  std::atomic<bool> waiting_{true};
};

}  // namespace cpss
