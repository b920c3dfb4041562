// What a lane shows to the watchdog, to prove that it does not hang.
//
// One writer, the lane; any reader, in any process that shares the memory. Relaxed: only these
// values are handed over, nothing else.
#pragma once

#include <atomic>
#include <cstdint>

namespace cpss {

class LaneProgress {
 public:
  void round() noexcept {
    rounds_.store(rounds_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  void waits(bool in_its_place) noexcept { set(in_its_place ? Pace::waits : Pace::works); }

  // Rounds of the lane's steps, so far.
  std::uint64_t rounds() const noexcept { return rounds_.load(std::memory_order_relaxed); }
  // In its wait place, or not running.
  bool waiting() const noexcept { return pace() == Pace::waits; }
  // The lane waits, in its wait place or within a step, and may do so for any length of time.
  bool may_take_long() const noexcept { return pace() != Pace::works; }

 private:
  friend class LongWait;
  enum class Pace : std::uint8_t { works, waits, waits_within_step };

  Pace pace() const noexcept { return pace_.load(std::memory_order_relaxed); }
  void set(Pace pace) noexcept { pace_.store(pace, std::memory_order_relaxed); }

  std::atomic<std::uint64_t> rounds_{0};
  std::atomic<Pace> pace_{Pace::waits};
};

// While it exists, the lane waits within a step: for a service that processes a deferred message,
// or for workers that do (room in their queue).
class LongWait {
 public:
  explicit LongWait(LaneProgress& progress) noexcept : progress_(progress) {
    progress_.set(LaneProgress::Pace::waits_within_step);
  }
  ~LongWait() { progress_.set(LaneProgress::Pace::works); }
  LongWait(const LongWait&) = delete;
  LongWait& operator=(const LongWait&) = delete;

 private:
  LaneProgress& progress_;
};

}  // namespace cpss
