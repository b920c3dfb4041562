// Deferred messages where lanes share their work and there are no workers: each lane may process
// one at a time, as long as another lane is not blocked (stages/lane/attendance.h).
//
// The stage is the workers' (StageId::worker), in passing: its counters, waits and times are
// counted as theirs. The queue has a cell for every slot, so no lane waits for room in it.
//
// Who puts messages there looks for them itself in the same round. It is refused only while all
// other lanes are blocked, which look when they no longer are; or while there are replies that it
// must not hold up, those that it holds because they wait for room, or those in the queue, where
// nobody else may look for them: it looks again when they have gone. So none is left lying.
//
// One object per lane, used by its thread alone.
#pragma once

#include <cstddef>

#include "queue/slot_queue.h"
#include "stages/lane/attendance.h"
#include "stages/lane/lane_context.h"
#include "stages/lane/spin.h"
#include "stages/lane/step.h"
#include "stages/lane/wait.h"
#include "stages/message/inline_dispatch.h"
#include "stages/service/deferred_work.h"
#include "stats/writer.h"

namespace cpss {

class DeferredStep final : public Step, public WaitCondition {
 public:
  struct Wiring {
    DeferredWork::Wiring work;
    SlotQueue& queue;
    Attendance& attendance;
    AwakeLanes& awake;
    std::size_t number;               // of the lane in `awake`
    LaneState* lane_state = nullptr;  // the lane's; null: the service needs none
  };

  // `replies`: to the lane's own response step, which keeps replies that find no room.
  DeferredStep(const Wiring& wiring, LaneContext& lane, StatsWriter stats,
               const InlineDispatch& replies);

  // Processes at most one message.
  RunResult run() noexcept override;
  void before_wait() noexcept override;

  // A guess: the lane could take a message now.
  bool holds() const noexcept override;
  SlotQueue::Consumer& consumer() noexcept { return consumer_; }

 private:
  void process(std::uint32_t slot) noexcept;

  Wiring w_;
  LaneContext& lane_;
  StatsWriter stats_;
  SlotQueue::Consumer consumer_;
  DeferredWork work_;
};

}  // namespace cpss
