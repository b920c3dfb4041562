// The queues for which a lane waits beside its sockets: messages that other lanes have put there,
// for it or for any lane like it.
//
// begin() counts the lane in at each queue, end() counts it out, whatever woke it: later posts must
// not wake a lane that no longer sleeps. Both take what is there, so that a lane which was woken
// for a message gets it. A lane that was woken for a message of a queue for which it does not wait
// passes that on. A queue that is closed and empty is waited for no more.
//
// One object per lane, used by its thread alone.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "queue/slot_queue.h"
#include "stages/lane/wait.h"
#include "stages/message/work_sharing.h"
#include "stats/writer.h"

namespace cpss {

class QueueWaits {
 public:
  struct Queue {
    SlotQueue::Consumer* consumer;  // wakes by eventfd
    std::uint32_t max;              // entries that the lane sets aside for itself at most
    // Requests: the lane leaves to others what is worth a hop. Null: it sets aside `max`.
    const WorkSharing* sharing = nullptr;
    const WaitCondition* condition = nullptr;  // null: the lane always waits for the queue
  };

  QueueWaits(const std::vector<Queue>& queues, StatsWriter stats) : stats_(stats) {
    for (const Queue& queue : queues) entries_.push_back({queue});
  }

  // No queue will ever have messages again.
  bool all_closed() const noexcept {
    return std::ranges::all_of(entries_, [](const Entry& entry) { return entry.closed; });
  }

  // No request will ever come that way again, to any lane.
  bool requests_closed() const noexcept {
    return std::ranges::all_of(entries_, [](const Entry& entry) {
      return entry.closed || entry.queue.sharing == nullptr;
    });
  }

  // True: there is nothing, and the lane may sleep. Either way end() follows.
  bool begin() noexcept {
    bool nothing = true;
    for (Entry& entry : entries_) {
      if (entry.closed || !waits_for(entry)) continue;
      entry.waits = true;
      if (entry.queue.consumer->begin_wait()) nothing = !look(entry) && nothing;
    }
    return nothing;
  }
  void end() noexcept {
    for (Entry& entry : entries_) {
      if (std::exchange(entry.signalled, false)) {
        if (entry.waits)
          look(entry);
        else if (!entry.closed)
          stats_.add(Counter::futex_wakes, entry.queue.consumer->pass_on());
      }
      if (std::exchange(entry.waits, false))
        stats_.add(Counter::futex_wakes, entry.queue.consumer->end_wait());
    }
  }

  // The descriptors that wake the lane, of queues that are not closed.
  template <class Each>
  void for_each_event(Each each) const {
    for (const Entry& entry : entries_)
      if (!entry.closed) each(entry.queue.consumer->event_fd());
  }
  // The descriptor is readable. Returns whether it is one of these.
  bool note_event(int descriptor) noexcept {
    for (Entry& entry : entries_) {
      if (entry.queue.consumer->event_fd() != descriptor) continue;
      entry.signalled = true;
      return true;
    }
    return false;
  }

 private:
  struct Entry {
    Queue queue;
    bool closed = false;
    bool waits = false;      // the lane is counted in
    bool signalled = false;  // since begin()
  };

  static bool waits_for(const Entry& entry) noexcept {
    return entry.queue.condition == nullptr || entry.queue.condition->holds();
  }
  std::uint32_t max_of(const Entry& entry) const noexcept {
    const Queue& queue = entry.queue;
    if (queue.sharing == nullptr) return queue.max;
    const std::size_t portion =
        queue.sharing->portion(queue.consumer->ready_guess(), 0, monotonic_ns());
    return std::clamp<std::uint32_t>(static_cast<std::uint32_t>(portion), 1, queue.max);
  }
  // True: there was something to take, or to learn.
  bool look(Entry& entry) noexcept {
    const TakeResult result = entry.queue.consumer->poll_wait(max_of(entry));
    stats_.add(Counter::futex_wakes, result.wakes);
    if (result.status == TakeStatus::waiting) return false;
    entry.waits = false;
    entry.closed = result.status == TakeStatus::closed;
    return true;
  }

  StatsWriter stats_;
  std::vector<Entry> entries_;
};

}  // namespace cpss
