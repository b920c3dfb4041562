// Inline dispatch: a lane with a batch in hand runs the next stage's step itself, instead of
// putting the batch into the queue.
//
// A hop to another thread costs a wake-up and a context switch, for one message as for a batch.
// With little to do, or with one CPU, the hop buys nothing. So the lane runs the next stages
// itself, as long as its own input is empty and the next stage is idle. With much to do its input
// is not empty, and the lane queues the batch: then the stages run side by side. Lanes that all do
// the same decide otherwise (work_sharing.h). Either way it is by guesses that need not be right: a
// wrong guess costs a hop, or the chance to save one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/clock.h"
#include "queue/slot_queue.h"
#include "stages/lane/lane_context.h"
#include "stages/lane/step.h"
#include "stages/lane/step_cost.h"
#include "stages/message/work_sharing.h"

namespace cpss {

// A step fed by a slot queue, as the stage that feeds it sees it.
class InlineStep {
 public:
  virtual ~InlineStep() = default;

  // Processes messages that never were in the queue; `begin_ns` is now. Does not wait, neither for
  // room in the kernel nor for anything that a service may block on. Returns the slots that would
  // need such a wait: the caller owns them again, as if the step had not taken them. The span is
  // valid until the next call.
  virtual std::span<const std::uint32_t> run_inline(std::span<const std::uint32_t> slots,
                                                    std::uint64_t begin_ns) noexcept = 0;
  // Max messages to run at a time (InlineDispatch::max).
  virtual std::size_t max_inline() const noexcept = 0;
};

// What a lane has to know of the stage whose step it may run. That stage must have the same CPUs
// and scheduling class; the model sees to that (server/models/seda.cpp).
struct InlineWiring {
  const SlotQueue& queue;          // between the two
  std::uint32_t lanes;             // that run the other stage
  const StepCost& cost;            // of its step
  std::uint64_t max_ns;            // longest batch to run inline
  bool one_cpu;                    // the server may use one CPU only
  bool always = false;             // the lane runs that step for every batch, as one of its own
  WorkSharing* sharing = nullptr;  // ... for the portion of a batch that this says
};

class InlineDispatch {
 public:
  // `step` is the lane's own copy of the other stage's step; both outlive it.
  InlineDispatch(const InlineWiring& wiring, InlineStep& step, const LaneContext& lane) noexcept
      : w_(wiring), step_(step), lane_(lane) {}

  // How many of the messages in hand the lane is to run, the oldest; the others are to be queued.
  // `behind`: as in StageOutput::hand_on().
  std::size_t portion(std::size_t messages, std::uint64_t behind,
                      std::uint64_t now_ns) const noexcept {
    if (w_.sharing != nullptr) return w_.sharing->portion(messages, behind, now_ns);
    return w_.always || due(messages) ? messages : 0;
  }
  // Max messages the lane is to take, so that it can run them inline. On several CPUs there is no
  // limit: a batch too large for that is better shared with other lanes. On one CPU a queue only
  // costs, so the lane takes less and looks at its own input more often.
  std::size_t max() const noexcept {
    if (w_.sharing != nullptr) return std::min(w_.sharing->max(), step_.max_inline());
    if (w_.always) return step_.max_inline();
    if (!w_.one_cpu || !w_.queue.idle_guess(w_.lanes)) return kNoLimit;
    const std::size_t messages = std::min(w_.cost.messages_within(w_.max_ns), step_.max_inline());
    return messages > 0 ? messages : kNoLimit;
  }
  static constexpr std::size_t kNoLimit = SIZE_MAX;
  std::span<const std::uint32_t> run(std::span<const std::uint32_t> slots,
                                     std::uint64_t now_ns) noexcept {
    const std::span<const std::uint32_t> rest = step_.run_inline(slots, now_ns);
    if (w_.sharing != nullptr && !lane_.input_empty) w_.sharing->held_up(monotonic_ns() - now_ns);
    return rest;
  }
  bool shares() const noexcept { return w_.sharing != nullptr; }
  // The lane has queued messages.
  void queued() noexcept {
    if (w_.sharing != nullptr) w_.sharing->queued();
  }

 private:
  bool due(std::size_t messages) const noexcept {
    return (w_.one_cpu || lane_.input_empty) && w_.queue.idle_guess(w_.lanes) &&
           w_.cost.is_within(w_.max_ns, messages);
  }

  InlineWiring w_;
  InlineStep& step_;
  const LaneContext& lane_;
};

}  // namespace cpss
