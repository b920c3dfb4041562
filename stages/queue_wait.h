// Where a lane waits whose work comes from one slot queue. No wait is longer than `longest`.
#pragma once

#include "queue/slot_queue.h"
#include "stages/semaphore_clock.h"
#include "stages/step.h"
#include "stages/wait.h"
#include "stats/writer.h"

namespace cpss {

class QueueWait final : public WaitPlace {
 public:
  // `batch`: most messages the lane's step takes at once.
  QueueWait(SlotQueue::Consumer& queue, std::uint32_t batch, StatsWriter& stats,
            LongestWait longest = {}) noexcept
      : queue_(queue), batch_(batch), stats_(stats), longest_(longest) {}

  bool wait() noexcept override {
    const TakeResult result =
        book_wait_for(stats_, [&] { return queue_.wait(batch_, deadline_after(longest_)); });
    return result.status != TakeStatus::closed;
  }

 private:
  SlotQueue::Consumer& queue_;
  std::uint32_t batch_;
  StatsWriter& stats_;
  LongestWait longest_;
};

}  // namespace cpss
