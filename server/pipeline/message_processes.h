// A process for each message: what stands behind receive in the model `mp` with CPSS_MP=fork.
//
// The receive lane, a thread of the parent, starts a process, which has a copy of the message, runs
// the service and sends the reply, books that in blocks of its own, and ends. The slot stays the
// parent's until then. There are as many places for processes as slots, so that a message that has
// a slot has a place.
//
// Where there is no process to be had the lane tries again after a pause (stages/lane/backoff.h),
// or when another process has ended. It counts as waiting meanwhile: that may take as long as it
// does.
//
// run_inline() is called by the receive lane, the rest by the main thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/priority_mutex.h"
#include "queue/semaphore.h"
#include "queue/slot_pool.h"
#include "server/pipeline/children.h"
#include "server/pipeline/lane_runtime.h"
#include "server/pipeline/lost_messages.h"
#include "server/pipeline/pipeline_resources.h"
#include "stages/lane/backoff.h"
#include "stages/lane/events.h"
#include "stages/lane/progress.h"
#include "stages/lane/troubles.h"
#include "stages/message/inline_dispatch.h"
#include "stats/writer.h"

namespace cpss {

class MessageProcesses final : public InlineStep {
 public:
  struct Place {
    std::unique_ptr<LaneRuntime> runtime;  // the steps that the process runs
    LostMessages ledger;
    std::uint32_t slot = 0;  // of its message
  };

  // `lane`: which one the receive lane is, on the scoreboard; `stats`: its own.
  MessageProcesses(PipelineResources& resources, std::vector<Place> places, std::size_t lane,
                   StatsWriter stats);

  std::span<const std::uint32_t> run_inline(std::span<const std::uint32_t> slots,
                                            std::uint64_t begin_ns) noexcept override;
  std::size_t max_inline() const noexcept override { return InlineDispatch::kNoLimit; }

  // Ends the messages of processes that have ended; books those that have not ended well.
  void reap(Reason lost_for, StatsWriter& main);
  std::size_t running() const { return children_.running(); }
  // Whether one that runs has the message in this slot. After the receive lane has ended.
  bool has(std::uint32_t slot) const;
  void kill_all() { children_.kill_all(); }
  // A lane that pauses before another try does so at once: at a stop, and at a forced end after the
  // pool was closed.
  void end_pause() noexcept { wakes_.post(1); }

 private:
  void start_process(std::uint32_t slot) noexcept;
  // Trouble::process_death, written by main alone.
  void note_end(bool has_ended_message, int signal) noexcept;
  void note_time() noexcept;
  std::size_t take_free_place() noexcept;
  void give_back_place(std::size_t place) noexcept;

  PipelineResources& resources_;
  std::vector<Place> places_;
  EventRing& events_;
  LaneProgress& progress_;
  LaneTroubles& troubles_;
  StatsWriter stats_;
  Backoff failures_;  // of starts
  Children children_;
  SlotPool::SlotCache cache_;
  Semaphore wakes_;            // posted for a start that pauses
  std::uint64_t died_ns_ = 0;  // the last whose message was lost; 0: over
  PriorityMutex mutex_;
  std::vector<std::size_t> free_places_;
};

}  // namespace cpss
