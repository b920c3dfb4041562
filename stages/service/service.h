// Stage service: calls the service for a batch of messages and does what its verdicts say.
//
// One object per lane that runs it: service lanes, and receive lanes that run it inline. Deferred
// messages go to the worker queue; without workers to the queue of deferred messages, where lanes
// share their work (deferred.h), and elsewhere the lane processes them here. If the worker queue is
// full the lane waits, or sheds, as the overload policy says.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "queue/worker_occupancy.h"
#include "queue/worker_queue.h"
#include "services/service.h"
#include "stages/lane/batch_clock.h"
#include "stages/lane/lane_context.h"
#include "stages/lane/step.h"
#include "stages/lane/step_cost.h"
#include "stages/lane/wait.h"
#include "stages/message/busy_budget.h"
#include "stages/message/inline_dispatch.h"
#include "stages/message/slot_store.h"
#include "stages/message/stage_input.h"
#include "stages/message/work_sharing.h"
#include "stages/service/service_runner.h"
#include "stats/writer.h"

namespace cpss {

class ServiceStep final : public Step, public InlineStep {
 public:
  // The way to the workers.
  struct Deferral {
    WorkerQueue& queue;
    WorkerOccupancy& occupancy;
    bool all = false;              // defer every message, without asking the service
    BusyBudget* budget = nullptr;  // shed when the queue is full; null: wait for room
    LongestWait longest = {};      // of one such wait
  };
  struct Wiring {
    Service& service;
    SlotStore& store;
    SlotQueue& requests;
    SlotQueue& responses;
    StepCost& cost;  // of this stage
    std::uint32_t batch;
    std::uint32_t lanes;                    // service lanes
    std::optional<Deferral> deferral = {};  // none: there are no workers
    // run_inline() keeps deferred messages, too, because no service lane could take them.
    bool keeps_deferred = false;
    LaneState* lane_state = nullptr;  // the lane's; null: the service needs none
    WorkSharing* sharing = nullptr;   // the lane's; null: it does not share its work
    SlotQueue* deferred = nullptr;    // with it, if there are no workers
  };

  // `inline_dispatch`: the lane may send the replies itself.
  ServiceStep(Wiring wiring, LaneContext& lane, StatsWriter stats,
              std::optional<InlineDispatch> inline_dispatch = {});

  RunResult run() noexcept override;
  // Where there are service lanes, it leaves to them the messages that would have to wait: without
  // workers all that the service defers; with workers those that find no room in their queue and
  // are not to be shed.
  std::span<const std::uint32_t> run_inline(std::span<const std::uint32_t> slots,
                                            std::uint64_t begin_ns) noexcept override;
  std::size_t max_inline() const noexcept override { return runner_.max(); }
  void before_wait() noexcept override;

  StageInput& input() noexcept { return input_; }
  StatsWriter& stats() noexcept { return stats_; }

 private:
  std::size_t max_to_take() const noexcept;
  // Calls the service; deferred_ then holds the messages that it has deferred.
  void process_batch(std::span<const std::uint32_t> slots) noexcept;
  // Hands on the processed messages of a batch of `messages`, then queues or processes deferred_.
  void finish_batch(std::size_t messages, BatchClock& clock) noexcept;
  void leave_what_would_wait() noexcept;
  void drop_what_was_seized() noexcept;
  void present(std::span<const std::uint32_t> slots) noexcept;
  // Applies each verdict, or puts the message into deferred_.
  void process() noexcept;
  // These end or hand on the messages in deferred_. The first three return the time when the last
  // one had gone on.
  std::uint64_t process_in_place() noexcept;
  std::uint64_t queue_deferred() noexcept;
  std::uint64_t hand_to_workers() noexcept;
  void shed(std::span<const std::size_t> deferred) noexcept;

  Wiring w_;
  LaneContext& lane_;
  StatsWriter stats_;
  ServiceRunner runner_;
  StageInput input_;
  std::vector<MessageRef> refs_;
  std::vector<Message> messages_;
  std::vector<std::size_t> deferred_;     // indexes into the two above
  std::vector<std::uint32_t> to_queue_;   // slots of one put
  std::vector<std::uint32_t> not_taken_;  // slots that run_inline() returns
  std::uint32_t reserved_ = 0;            // places in the worker queue for messages it keeps
  std::uint64_t aside_ns_ = 0;            // time since the batch began that is the response stage's
};

}  // namespace cpss
