// Books one wait for a semaphore: how often, how long, and the wake-ups it passed on.
#pragma once

#include <cstdint>

#include "queue/semaphore.h"
#include "stages/clock.h"
#include "stats/writer.h"

namespace cpss {

// `wait` returns a TakeResult.
template <class Wait>
TakeResult book_wait_for(StatsWriter& stats, Wait wait) noexcept {
  const std::uint64_t begin = now_ns();
  const TakeResult result = wait();
  stats.add(Counter::sem_waits);
  stats.add(Counter::sem_wait_ns, now_ns() - begin);
  stats.add(Counter::futex_wakes, result.wakes);
  return result;
}

}  // namespace cpss
