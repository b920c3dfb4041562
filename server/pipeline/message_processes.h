// A process for each message: what follows receive in the model `mp` with CPSS_MP=fork.
//
// The receive lane, a thread of the parent, starts the process. The process has a copy of the
// message, runs the service, sends the reply, books that in blocks of its own, and ends. The slot
// stays the parent's until then. There are at least as many places for processes as slots, so that
// a message that has a slot has a place.
//
// If no process can be started, the lane tries again after a pause (stages/lane/backoff.h), or when
// another process has ended. Meanwhile the lane counts as waiting, since that may take any length
// of time.
//
// The receive lane calls run_inline(), the main thread all the rest.
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

  // `lane`: the receive lane, by its number on the scoreboard; `stats`: its own.
  MessageProcesses(PipelineResources& resources, std::vector<Place> places, std::size_t lane,
                   StatsWriter stats);

  std::span<const std::uint32_t> run_inline(std::span<const std::uint32_t> slots,
                                            std::uint64_t begin_ns) noexcept override;
  std::size_t max_inline() const noexcept override { return InlineDispatch::kNoLimit; }

  // Gives back the slots of processes that have ended, and books the messages that they have lost.
  void reap(Reason lost_for, StatsWriter& main);
  std::size_t running() const { return children_.running(); }
  // Whether a running process has the message in this slot. To be called after the receive lane has
  // ended.
  bool has(std::uint32_t slot) const;
  void kill_all() { children_.kill_all(); }
  // Ends the lane's pause before another try: at a stop, and at a forced end after the pool was
  // closed.
  void end_pause() noexcept { wakes_.post(1); }

 private:
  void start_process(std::uint32_t slot) noexcept;
  // These write Trouble::process_death; main alone calls them.
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
  Backoff failures_;  // failed starts
  Children children_;
  SlotPool::SlotCache cache_;
  Semaphore wakes_;            // posted for a lane that pauses before another start
  std::uint64_t died_ns_ = 0;  // when the last process died whose message was lost; 0: over
  PriorityMutex mutex_;
  std::vector<std::size_t> free_places_;
};

}  // namespace cpss
