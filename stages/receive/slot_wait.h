// How a receive lane that has run out of slots waits for one.
//
// Slots come back from lanes downstream, which never wait for receive, or from this lane itself,
// once it has sent the replies that it holds: so the wait ends, at a stop too.
//
// One object per lane, used by its thread alone.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "queue/semaphore.h"
#include "queue/slot_pool.h"
#include "stages/lane/lane_context.h"
#include "stats/writer.h"

namespace cpss {

class SlotWait {
 public:
  // `batch`: max slots taken after one wait; `lanes`: receive lanes, which share the free slots.
  SlotWait(SlotPool& pool, std::uint32_t batch, std::uint32_t lanes, LaneContext& lane,
           StatsWriter stats) noexcept
      : free_slots_(pool.free_slots()), batch_(batch), lanes_(lanes), lane_(lane), stats_(stats) {}

  // Waits until there is a slot, which the lane's next claim then finds in its cache, or the pool
  // is closed. `sleep(event_fd)` waits until the pool signals this descriptor; false ends the wait
  // without a slot.
  template <class Sleep>
  void wait(Sleep sleep) noexcept {
    const std::uint64_t begin = monotonic_ns();
    stats_.add(Counter::sem_waits);
    free_slots_.begin_wait();
    for (bool goes_on = true;;) {
      const TakeResult result = free_slots_.poll_wait(batch_, lanes_);
      stats_.add(Counter::futex_wakes, result.wakes);
      if (result.status != TakeStatus::waiting) {
        lane_.cache.keep(result.tokens);
        break;
      }
      if (!goes_on) {
        stats_.add(Counter::futex_wakes, free_slots_.end_wait());
        break;
      }
      goes_on = sleep(free_slots_.event_fd());
    }
    const std::uint64_t end = monotonic_ns();
    stats_.add(Counter::sem_wait_ns, end - begin);
    stats_.add(Counter::slot_wait_ns, end - begin);
    short_until_ns_ = end + kShortForNs;
  }

  // Whether the lane has waited for a slot lately.
  bool short_of_slots() const noexcept { return monotonic_ns() < short_until_ns_; }

 private:
  static constexpr std::uint64_t kShortForNs = 10'000'000;  // after a wait

  Semaphore& free_slots_;
  std::uint32_t batch_;
  std::uint32_t lanes_;
  LaneContext& lane_;
  StatsWriter stats_;
  std::uint64_t short_until_ns_ = 0;
};

}  // namespace cpss
