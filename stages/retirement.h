// The one way a message ends: its outcome is booked, then its slot is given back.
//
// Each lane has one of its own. Slots are given back in batches: finish() at the end of a step.
#pragma once

#include <cstdint>
#include <vector>

#include "queue/slot_pool.h"
#include "stages/slot_store.h"
#include "stats/writer.h"

namespace cpss {

class Retirement {
 public:
  // At most `batch` messages are retired between two finish().
  Retirement(SlotStore& store, SlotPool::SlotCache& cache, StatsWriter& stats, std::size_t batch)
      : store_(store), cache_(cache), stats_(stats) {
    freed_.reserve(batch);
  }

  // Books the reason and sets the slot aside to be given back. A slot that main has seized was
  // booked by main. A stale one is a defect: it is counted, and belongs to someone else.
  void retire(MessageRef message, Reason reason) noexcept {
    switch (store_.release(message)) {
      case Release::released:
        stats_.book(reason);
        stats_.add(Counter::retired);
        freed_.push_back(message.slot);
        break;
      case Release::seized:
        break;
      case Release::stale:
        stats_.book(Reason::failed_stale_slot);
        break;
    }
  }

  // Ends datagrams that never became messages: they were in memory, but hold no slot.
  void drop(Reason reason, std::uint64_t datagrams) noexcept {
    stats_.book(reason, datagrams);
    stats_.add(Counter::retired, datagrams);
    stats_.add(Counter::given_back, datagrams);
  }

  // Whether the message may be handed on or sent; if not, it is dealt with as in retire().
  bool still_held(MessageRef message) noexcept {
    if (store_.holds(message)) return true;
    // Cannot succeed: the word is known to differ. Tells seized from stale.
    if (store_.release(message) == Release::stale) stats_.book(Reason::failed_stale_slot);
    return false;
  }

  // Gives back what was retired since the last call.
  void finish() noexcept {
    if (freed_.empty()) return;
    stats_.add(Counter::given_back, freed_.size());
    stats_.add(Counter::futex_wakes, cache_.give_back(freed_));
    freed_.clear();
  }

 private:
  SlotStore& store_;
  SlotPool::SlotCache& cache_;
  StatsWriter& stats_;
  std::vector<std::uint32_t> freed_;
};

}  // namespace cpss
