// Inline dispatch: a lane with a batch in hand runs the next stage's step itself, past the queue
// between.
//
// A hop to another thread costs a wake-up and a context switch, for a message as for a batch. While
// there is little to do, or one CPU to do it on, it buys nothing: so the lane goes on by itself,
// through the stages, for as long as it has nothing better to do and the next stage is idle. When
// there is much to do its own input is not empty, and it queues the batch: then the stages run side
// by side. due() decides, by guesses that need not be right: a wrong one costs a hop, or the chance
// to save one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "queue/slot_queue.h"
#include "stages/lane/lane_context.h"
#include "stages/lane/step.h"
#include "stages/lane/step_cost.h"

namespace cpss {

// A step fed by a slot queue, as seen by who feeds it.
class InlineStep {
 public:
  virtual ~InlineStep() = default;

  // Processes messages that never were in the queue; `begin_ns` is now. Does not wait, neither for
  // room in the kernel nor for what a service may block on: returns the slots that would need it,
  // which belong to the caller again, as if they had not been taken. The span is valid until the
  // next call.
  virtual std::span<const std::uint32_t> run_inline(std::span<const std::uint32_t> slots,
                                                    std::uint64_t begin_ns) noexcept = 0;
  // Most messages to run at a time (InlineDispatch::most).
  virtual std::size_t max_inline() const noexcept = 0;
};

// What a lane has to know of the stage whose step it may run. That stage has the same CPUs and
// scheduling class; who wires the lanes sees to that.
struct InlineWiring {
  const SlotQueue& queue;  // between the two
  std::uint32_t lanes;     // of the other stage
  const StepCost& cost;    // of its step
  std::uint64_t max_ns;    // longest batch to run inline
  bool one_cpu;            // the server may use one CPU only
  bool always = false;     // the lane runs that step for all it has, as its own
};

class InlineDispatch {
 public:
  // `step` is the lane's own copy of the other stage's step; both outlive it.
  InlineDispatch(const InlineWiring& wiring, InlineStep& step, const LaneContext& lane) noexcept
      : w_(wiring), step_(step), lane_(lane) {}

  bool due(std::size_t messages) const noexcept {
    if (w_.always) return true;
    return (w_.one_cpu || lane_.input_empty) && w_.queue.idle_guess(w_.lanes) &&
           w_.cost.is_within(w_.max_ns, messages);
  }
  // How many messages the lane is to take at most, so that it can run them inline. On several CPUs
  // there is no limit: what is too much for that is better shared. On one CPU a queue only costs,
  // so the lane takes less and looks at its own input more often.
  std::size_t max() const noexcept {
    if (w_.always) return step_.max_inline();
    if (!w_.one_cpu || !w_.queue.idle_guess(w_.lanes)) return kNoLimit;
    const std::size_t messages = std::min(w_.cost.messages_within(w_.max_ns), step_.max_inline());
    return messages > 0 ? messages : kNoLimit;
  }
  static constexpr std::size_t kNoLimit = SIZE_MAX;
  std::span<const std::uint32_t> run(std::span<const std::uint32_t> slots,
                                     std::uint64_t now_ns) noexcept {
    return step_.run_inline(slots, now_ns);
  }

 private:
  InlineWiring w_;
  InlineStep& step_;
  const LaneContext& lane_;
};

}  // namespace cpss
