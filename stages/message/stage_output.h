// How a stage hands messages on, as a batch: into the next stage's queue, or inline, by running the
// next step itself.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "queue/slot_queue.h"
#include "stages/message/inline_dispatch.h"
#include "stages/message/slot_store.h"
#include "stats/writer.h"

namespace cpss {

class StageOutput {
 public:
  // At most `batch` messages are added between two calls of hand_on(). No `inline_dispatch`: always
  // by the queue.
  StageOutput(SlotQueue& queue, std::uint32_t batch, SlotStore& store, StatsWriter& stats,
              std::optional<InlineDispatch> inline_dispatch = {})
      : producer_(queue), store_(store), stats_(stats), inline_(inline_dispatch) {
    slots_.reserve(batch);
  }

  void add(std::uint32_t slot) noexcept { slots_.push_back(slot); }
  // Max messages to take on so that the lane can run them inline; at least 1.
  std::size_t max() const noexcept { return inline_ ? inline_->max() : InlineDispatch::kNoLimit; }
  // The same for messages that it has already: what it does not run, other lanes can take.
  std::size_t max_to_add() const noexcept { return shares() ? InlineDispatch::kNoLimit : max(); }
  // Other lanes may take what the lane queues, and it is to queue all it has before it goes on.
  bool shares() const noexcept { return inline_ && inline_->shares(); }
  bool empty() const noexcept { return slots_.empty(); }

  // Hands on the messages that were added; `now_ns` is now. `behind`: how many more the lane holds
  // that wait for these. Queues some first, if it does, so that other lanes begin meanwhile.
  void hand_on(std::uint64_t now_ns, std::uint64_t behind = 0) noexcept {
    if (slots_.empty()) return;
    // Counted first: no reader may see more messages enter the next stage than this one has
    // forwarded.
    stats_.add(Counter::forwarded, slots_.size());
    const std::span<const std::uint32_t> all = slots_;
    const std::size_t own = inline_ ? inline_->portion(all.size(), behind, now_ns) : 0;
    put(all.subspan(own), now_ns);
    if (own > 0) put(inline_->run(all.first(own), now_ns), now_ns);
    slots_.clear();
  }

 private:
  void put(std::span<const std::uint32_t> slots, std::uint64_t now_ns) noexcept {
    if (slots.empty()) return;
    for (const std::uint32_t slot : slots) store_.header(slot).published_ns = now_ns;
    const PostResult result = producer_.put(slots);
    stats_.raise(Gauge::queue_high_water, result.value);
    stats_.add(Counter::futex_wakes, result.wakes);
    if (inline_) inline_->queued();
  }

  SlotQueue::Producer producer_;
  SlotStore& store_;
  StatsWriter& stats_;
  std::optional<InlineDispatch> inline_;
  std::vector<std::uint32_t> slots_;
};

}  // namespace cpss
