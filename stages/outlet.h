// How a stage hands messages on: stamps them and puts them into the next stage's queue, as a batch.
#pragma once

#include <cstdint>
#include <vector>

#include "queue/slot_queue.h"
#include "stages/slot_store.h"
#include "stats/writer.h"

namespace cpss {

class Outlet {
 public:
  // At most `batch` messages are added between two hand_on().
  Outlet(SlotQueue& queue, std::uint32_t batch, SlotStore& store, StatsWriter& stats)
      : producer_(queue), store_(store), stats_(stats) {
    slots_.reserve(batch);
  }

  void add(std::uint32_t slot) noexcept { slots_.push_back(slot); }

  // Publishes what was added, stamped `now_ns`.
  void hand_on(std::uint64_t now_ns) noexcept {
    if (slots_.empty()) return;
    for (const std::uint32_t slot : slots_) store_.header(slot).published_ns = now_ns;
    // Before the put: no reader may see more messages enter the next stage than left this one.
    stats_.add(Counter::left, slots_.size());
    const PostResult result = producer_.put(slots_);
    stats_.raise(Gauge::queue_high_water, result.value);
    stats_.add(Counter::futex_wakes, result.wakes);
    slots_.clear();
  }

 private:
  SlotQueue::Producer producer_;
  SlotStore& store_;
  StatsWriter& stats_;
  std::vector<std::uint32_t> slots_;
};

}  // namespace cpss
