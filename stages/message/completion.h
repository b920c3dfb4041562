// The one way a message ends: its outcome is booked, then its slot is given back.
//
// Each stage of a lane has its own Completion. It books outcomes and gives slots back in batches,
// in finish(), which the step calls at its end and before any wait. Most messages of a batch end
// alike, so a batch costs one store instead of 64.
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "queue/slot_pool.h"
#include "stages/message/slot_store.h"
#include "stats/writer.h"

namespace cpss {

class Completion {
 public:
  // At most `batch` messages are completed between two calls of finish().
  Completion(SlotStore& store, SlotPool::SlotCache& cache, StatsWriter& stats, std::size_t batch)
      : store_(store), cache_(cache), stats_(stats) {
    freed_.reserve(batch);
  }

  // Ends the message for `reason`. If main has seized the slot, main has booked the message. A
  // stale index is a defect: it is counted, and the slot is not touched, since it may hold another
  // message.
  void complete(MessageRef message, Reason reason) noexcept {
    switch (store_.release(message)) {
      case Release::released:
        ++ended_[static_cast<std::size_t>(reason)];
        freed_.push_back(message.slot);
        break;
      case Release::seized:
        break;
      case Release::stale:
        stats_.book(Reason::failed_stale_slot);
        break;
    }
  }

  // Ends datagrams that never became messages: the lane has read them, but they hold no slot.
  void drop(Reason reason, std::uint64_t datagrams) noexcept {
    stats_.book(reason, datagrams);
    stats_.add(Counter::completed, datagrams);
    stats_.add(Counter::given_back, datagrams);
  }

  // Whether the message may be handed on or sent; if not, seized and stale count as in complete().
  bool still_held(MessageRef message) noexcept {
    if (store_.holds(message)) return true;
    // This release cannot succeed, since the word is known to differ. It tells seized from stale.
    if (store_.release(message) == Release::stale) stats_.book(Reason::failed_stale_slot);
    return false;
  }

  // Books the messages completed since the last call, and gives their slots back.
  void finish() noexcept {
    if (freed_.empty()) return;
    std::size_t left = freed_.size();  // mostly all of the first reason
    for (std::size_t reason = 0; left > 0; ++reason)
      if (const std::uint32_t messages = std::exchange(ended_[reason], 0); messages > 0) {
        stats_.book(static_cast<Reason>(reason), messages);
        left -= messages;
      }
    stats_.add(Counter::completed, freed_.size());
    stats_.add(Counter::given_back, freed_.size());
    stats_.add(Counter::futex_wakes, cache_.give_back(freed_));
    freed_.clear();
  }

 private:
  SlotStore& store_;
  SlotPool::SlotCache& cache_;
  StatsWriter& stats_;
  std::vector<std::uint32_t> freed_;                    // slots of completed messages
  std::array<std::uint32_t, kReasons.size()> ended_{};  // completed messages for each reason
};

}  // namespace cpss
