// Where a lane waits whose work comes from one slot queue.
#pragma once

#include "queue/slot_queue.h"
#include "stages/clock.h"
#include "stages/step.h"
#include "stats/writer.h"

namespace cpss {

class QueueWait final : public WaitPlace {
 public:
  // `batch`: most messages the lane's step takes at once.
  QueueWait(SlotQueue::Consumer& queue, std::uint32_t batch, StatsWriter& stats) noexcept
      : queue_(queue), batch_(batch), stats_(stats) {}

  bool wait() noexcept override {
    const std::uint64_t begin = now_ns();
    const TakeResult result = queue_.wait(batch_);
    stats_.add(Counter::sem_waits);
    stats_.add(Counter::sem_wait_ns, now_ns() - begin);
    stats_.add(Counter::futex_wakes, result.wakes);
    return result.status != TakeStatus::closed;
  }

 private:
  SlotQueue::Consumer& queue_;
  std::uint32_t batch_;
  StatsWriter& stats_;
};

}  // namespace cpss
