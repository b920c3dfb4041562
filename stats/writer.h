// How a lane writes its counters: one writer per block, no read-modify-write, no lock.
//
// A block is the values of one (lane, stage): the counters, then the reasons, then the gauges, then
// the histograms, each a 64-bit atomic. It lives in the stats region, or, in tests, in any zeroed
// memory of block_bytes() aligned to a cache line. A block has no room for values that its writers
// never record: without histograms it is 0.6 KiB, with them 37 KiB.
//
// Thread-safety: exactly one thread uses a writer of a given block at a time; any number of
// readers, in any process, read the block meanwhile. Another thread or process may take over a
// block once it knows that the writer's thread or process has ended (join, waitpid(2)).
//
// Memory orders: every store is a release and every reader's load an acquire, so a reader that sees
// an outcome also sees the `received` that was counted before it (stats/ledger.h relies on it).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "queue/shared_word.h"
#include "stats/histogram.h"
#include "stats/metrics.h"

namespace cpss {

using Value = SharedWord<std::uint64_t>;
static_assert(ImplicitLifetime<Value> && sizeof(Value) == 8, "other processes map it");

// The offset in a block, in values, where each kind begins.
inline constexpr std::size_t kCounterOffset = 0;
inline constexpr std::size_t kReasonOffset = kCounterOffset + kCounters.size();
inline constexpr std::size_t kGaugeOffset = kReasonOffset + kReasons.size();
inline constexpr std::size_t kHistogramOffset = kGaugeOffset + kGauges.size();
inline constexpr std::size_t kValuesInBlock =
    kHistogramOffset + kHistograms.size() * kHistogramValues;
inline constexpr std::size_t kCacheLine = 64;
// Size of a block at detail level `max`.
constexpr std::size_t block_bytes(Detail max) noexcept {
  const std::size_t values = max == Detail::histograms ? kValuesInBlock : kHistogramOffset;
  return (values * sizeof(Value) + kCacheLine - 1) / kCacheLine * kCacheLine;
}
inline constexpr std::size_t kBlockBytes = block_bytes(Detail::histograms);

// The bench compares with a server that does not count, to measure what counting costs
// (scripts/bench).
#ifdef CPSS_UNCOUNTED
inline constexpr bool kCounted = false;
#else
inline constexpr bool kCounted = true;
#endif

class StatsWriter {
 public:
  // `block` points to block_bytes(detail) or more of memory, zeroed or written by an earlier
  // writer, that outlives this one.
  StatsWriter(Value* block, Detail detail) noexcept : block_(block), detail_(detail) {}

  void add(Counter counter, std::uint64_t n = 1) noexcept {
    if (!kCounted || (detail_ == Detail::essential && !is_essential(counter))) return;
    bump(kCounterOffset + static_cast<std::size_t>(counter), n);
  }
  void book(Reason reason, std::uint64_t n = 1) noexcept {
    if (kCounted) bump(kReasonOffset + static_cast<std::size_t>(reason), n);
  }
  void set(Gauge gauge, std::uint64_t value) noexcept {
    block_[kGaugeOffset + static_cast<std::size_t>(gauge)].store(value, std::memory_order_release);
  }
  // At every level of detail: a queue's high-water mark is shown with the stage behind it, which
  // may be measured.
  void raise(Gauge gauge, std::uint64_t value) noexcept {
    if (!kCounted) return;
    Value& v = block_[kGaugeOffset + static_cast<std::size_t>(gauge)];
    if (value > v.load(std::memory_order_relaxed)) v.store(value, std::memory_order_release);
  }
  // `times` messages of the same value.
  void record(HistogramId id, std::uint64_t value, std::uint64_t times = 1) noexcept {
    if (!kCounted || detail_ != Detail::histograms) return;
    const std::size_t base = base_of(id);
    bump(base + histogram_bucket(value), times);
    Value& largest = block_[base + kHistogramMax];
    if (value > largest.load(std::memory_order_relaxed))
      largest.store(value, std::memory_order_release);
  }

  std::uint64_t value(Counter counter) const noexcept {
    return block_[kCounterOffset + static_cast<std::size_t>(counter)].load(
        std::memory_order_acquire);
  }
  std::uint64_t value(Reason reason) const noexcept {
    return block_[kReasonOffset + static_cast<std::size_t>(reason)].load(std::memory_order_acquire);
  }
  // How many values the histogram holds; 0 if this writer keeps none.
  std::uint64_t recorded(HistogramId id) const noexcept {
    if (detail_ != Detail::histograms) return 0;
    std::uint64_t sum = 0;
    for (std::size_t bucket = 0; bucket < kHistogramBuckets; ++bucket)
      sum += block_[base_of(id) + bucket].load(std::memory_order_acquire);
    return sum;
  }

 private:
  static constexpr std::size_t base_of(HistogramId id) noexcept {
    return kHistogramOffset + static_cast<std::size_t>(id) * kHistogramValues;
  }
  // Single writer: the relaxed load sees this thread's own last store.
  void bump(std::size_t at, std::uint64_t n) noexcept {
    Value& v = block_[at];
    v.store(v.load(std::memory_order_relaxed) + n, std::memory_order_release);
  }

  Value* block_;
  Detail detail_;
};

}  // namespace cpss
