// Whether one more thread would help the workers, all of which are inside a message: it does if a
// worker is blocked there, and so uses no CPU, or if a CPU is free. If not, the thread would only
// take its CPU time from the workers, and cost its start besides.
//
// A worker's CPU time is that of its thread's clock (pthread_getcpuclockid(3)), looked at no more
// often than every millisecond: a message that is over sooner is not worth a thread anyway.
//
// note_thread(): each worker's thread, before its first message. All else: the starter alone.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>

#include <pthread.h>

namespace cpss {

class WorkerLoad {
 public:
  static constexpr std::uint64_t kSpan = 1'000'000;      // ns between two looks
  static constexpr std::uint64_t kMaxSpan = 20'000'000;  // ns; after longer a look says nothing

  explicit WorkerLoad(std::size_t workers)
      : workers_(workers), clocks_(std::make_unique<std::atomic<clockid_t>[]>(workers)) {
    for (std::size_t i = 0; i < workers; ++i) clocks_[i] = kNone;
  }

  void note_thread(std::size_t worker) noexcept {
    clockid_t clock = kNone;
    if (pthread_getcpuclockid(pthread_self(), &clock) == 0)
      clocks_[worker].store(clock, std::memory_order_relaxed);
  }

  // So many workers are `inside` a message. False also while it is not known yet: the caller asks
  // again after kSpan.
  bool some_block(unsigned inside, std::uint64_t now_ns) noexcept {
    const std::uint64_t span = now_ns - looked_ns_;
    if (span < kSpan) return some_block_;
    const std::uint64_t used = used_ns();
    // All but half of one worker's time: the clocks are read one after the other.
    some_block_ = span <= kMaxSpan && used - used_ns_ + span / 2 < inside * span;
    looked_ns_ = now_ns;
    used_ns_ = used;
    return some_block_;
  }

 private:
  static constexpr clockid_t kNone = CLOCK_MONOTONIC;

  // CPU time of all workers.
  std::uint64_t used_ns() const noexcept {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < workers_; ++i) {
      const clockid_t clock = clocks_[i].load(std::memory_order_relaxed);
      timespec time{};
      if (clock != kNone && clock_gettime(clock, &time) == 0)
        sum += static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
               static_cast<std::uint64_t>(time.tv_nsec);
    }
    return sum;
  }

  const std::size_t workers_;
  const std::unique_ptr<std::atomic<clockid_t>[]> clocks_;
  std::uint64_t looked_ns_ = 0;
  std::uint64_t used_ns_ = 0;
  bool some_block_ = false;
};

}  // namespace cpss
