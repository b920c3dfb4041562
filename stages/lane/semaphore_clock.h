// Books one wait for a semaphore: how often, how long, and the wake-ups it passed on.
//
// Timed-out waits are not counted: where waits are bounded (wait.h) an idle lane wakes up ten times
// a second, which says nothing about messages.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "queue/semaphore.h"
#include "stats/writer.h"

namespace cpss {

// `wait` returns a TakeResult.
template <class Wait>
TakeResult book_wait_for(StatsWriter& stats, Wait wait) noexcept {
  const std::uint64_t begin = monotonic_ns();
  const TakeResult result = wait();
  stats.add(Counter::futex_wakes, result.wakes);
  if (result.status == TakeStatus::timed_out) return result;
  stats.add(Counter::sem_waits);
  stats.add(Counter::sem_wait_ns, monotonic_ns() - begin);
  return result;
}

}  // namespace cpss
