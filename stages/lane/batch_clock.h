// How a stage books time: how long messages waited in the queue before it, how long its step took
// for a batch (from taking it until it is handed on), and how long system calls took.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "stats/writer.h"

namespace cpss {

// Books how long `messages` waited in the queue before the stage, each `wait_ns`.
inline void book_wait(StatsWriter& stats, std::uint64_t wait_ns, std::uint64_t messages) noexcept {
  stats.add(Counter::queue_wait_ns, wait_ns * messages);
  stats.record(HistogramId::wait_ns, wait_ns, messages);
}

// Makes a system call, and books it and the time it took.
template <class Call>
auto book_call(StatsWriter& stats, const Call& call) noexcept {
  if constexpr (!kCounted) return call();
  const std::uint64_t begin = monotonic_ns();
  const auto result = call();
  stats.add(Counter::syscalls);
  stats.add(Counter::syscall_ns, monotonic_ns() - begin);
  return result;
}

class BatchClock {
 public:
  explicit BatchClock(StatsWriter& stats) noexcept : BatchClock(stats, monotonic_ns()) {}
  BatchClock(StatsWriter& stats, std::uint64_t begin_ns) noexcept
      : stats_(stats), begin_ns_(begin_ns) {}

  std::uint64_t begin_ns() const noexcept { return begin_ns_; }

  // The step has processed `messages` (> 0) by `end_ns`. Returns the time it took, in ns.
  std::uint64_t end(std::uint64_t end_ns, std::uint64_t messages) noexcept {
    const std::uint64_t spent = end_ns - begin_ns_;
    stats_.add(Counter::busy_ns, spent);
    stats_.add(Counter::step_ns, spent * messages);
    stats_.add(Counter::batches);
    stats_.record(HistogramId::service_ns, spent, messages);
    stats_.record(HistogramId::cost_ns, spent / messages, messages);
    stats_.record(HistogramId::batch, messages);
    return spent;
  }

 private:
  StatsWriter& stats_;
  std::uint64_t begin_ns_;
};

}  // namespace cpss
