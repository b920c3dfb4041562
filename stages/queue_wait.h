// Where a lane waits whose work comes from one slot queue. No wait is longer than `longest`.
//
// A lane that also sends waits for room instead while something waits for that, but so shortly that
// what is in the queue can wait, too.
#pragma once

#include "queue/slot_queue.h"
#include "stages/semaphore_clock.h"
#include "stages/step.h"
#include "stages/wait.h"
#include "stats/writer.h"

namespace cpss {

class QueueWait final : public WaitPlace {
 public:
  // `batch`: most messages the lane's step takes at once. `sender`: its blocked_on() is waited for.
  QueueWait(SlotQueue::Consumer& queue, std::uint32_t batch, StatsWriter& stats,
            LongestWait longest = {}, const Step* sender = nullptr) noexcept
      : queue_(queue), batch_(batch), stats_(stats), longest_(longest), sender_(sender) {}

  bool wait() noexcept override {
    if (DatagramPort* full = sender_ != nullptr ? sender_->blocked_on() : nullptr) {
      full->wait_writable(kLongestForRoom);
      stats_.add(Counter::syscalls);
      stats_.add(Counter::wait_calls);
      return true;
    }
    const TakeResult result =
        book_wait_for(stats_, [&] { return queue_.wait(batch_, deadline_after(longest_)); });
    return result.status != TakeStatus::closed;
  }

 private:
  SlotQueue::Consumer& queue_;
  std::uint32_t batch_;
  StatsWriter& stats_;
  LongestWait longest_;
  const Step* sender_;
};

}  // namespace cpss
