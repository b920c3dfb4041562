// How a stage takes messages from its queue, and books how long they waited in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "queue/slot_queue.h"
#include "stages/message/slot_store.h"
#include "stats/writer.h"

namespace cpss {

class StageInput {
 public:
  // `lanes` share the queue; each take() gets at most `batch` messages.
  StageInput(SlotQueue& queue, std::uint32_t lanes, std::uint32_t batch, SlotStore& store,
             StatsWriter& stats);

  // For the lane's wait place.
  SlotQueue::Consumer& consumer() noexcept { return consumer_; }

  // Takes the messages that are there, at most a batch and at most `max`. The span is valid until
  // the next call.
  std::span<const std::uint32_t> take(std::size_t max = SIZE_MAX) noexcept;
  // Whether there was nothing to take a moment ago; or how much other lanes could take as well.
  bool empty_guess() const noexcept { return consumer_.empty_guess(); }
  std::uint32_t ready_guess() const noexcept { return queue_.ready_guess(); }
  std::uint32_t set_aside() const noexcept { return consumer_.set_aside(); }
  // Books messages that were dispatched inline, past the queue: they have not waited.
  void book_inline(std::uint64_t messages) noexcept;
  // Books how long each of the slots just taken has waited, as of `taken_ns`. Returns the longest.
  std::uint64_t book_waits(std::span<const std::uint32_t> slots, std::uint64_t taken_ns) noexcept;

 private:
  const SlotQueue& queue_;
  SlotQueue::Consumer consumer_;
  SlotStore& store_;
  StatsWriter& stats_;
  std::vector<std::uint32_t> slots_;
};

}  // namespace cpss
