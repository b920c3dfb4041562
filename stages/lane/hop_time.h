// How long it takes, at present, until a lane that sleeps has taken a message that was queued for
// it: wake-up and context switch, and the wait for a CPU if none is free. The clients' load counts
// as well, and others', which no count of our own lanes can tell.
//
// A guess that all lanes share and improve; relaxed, as in StepCost. It forgets: after a while
// without a sample a hop counts as short again, so that the next one is tried.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace cpss {

class HopTime {
 public:
  static constexpr std::uint64_t kShortest = 4'000;       // ns; a wake-up alone
  static constexpr std::uint64_t kLongest = 1'000'000;    // ns; no sample counts for more
  static constexpr std::uint64_t kHalfLife = 10'000'000;  // ns

  // A message that was queued has been taken, at `now_ns`, after `wait_ns`.
  void note(std::uint64_t wait_ns, std::uint64_t now_ns) noexcept {
    const std::uint64_t mean = expected(now_ns);
    mean_.store(mean - mean / kSamples + std::min(wait_ns, kLongest) / kSamples,
                std::memory_order_relaxed);
    noted_ns_.store(now_ns, std::memory_order_relaxed);
  }
  std::uint64_t expected(std::uint64_t now_ns) const noexcept {
    const std::uint64_t noted = noted_ns_.load(std::memory_order_relaxed);
    // Another CPU's clock may be a little behind.
    const std::uint64_t halvings = now_ns > noted ? (now_ns - noted) / kHalfLife : 0;
    const std::uint64_t mean = mean_.load(std::memory_order_relaxed);
    return std::max(kShortest, halvings < 64 ? mean >> halvings : 0);
  }

 private:
  static constexpr std::uint64_t kSamples = 4;  // that the mean remembers, about

  alignas(64) std::atomic<std::uint64_t> mean_{0};
  std::atomic<std::uint64_t> noted_ns_{0};
};

}  // namespace cpss
