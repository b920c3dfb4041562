// Stage worker: processes deferred messages, where the service may block.
//
// One object per worker lane. It takes messages one by one: a worker that blocks holds up its own
// message and no other.
#pragma once

#include <cstdint>

#include "queue/worker_occupancy.h"
#include "queue/worker_queue.h"
#include "services/service.h"
#include "stages/lane/step.h"
#include "stages/lane/wait.h"
#include "stages/service/deferred_work.h"
#include "stages/service/worker_load.h"
#include "stats/writer.h"

namespace cpss {

class WorkerStep final : public Step {
 public:
  struct Wiring {
    DeferredWork::Wiring work;
    WorkerQueue& queue;
    WorkerOccupancy& occupancy;
    LongestWait longest = {};         // of one wait for a message
    LaneState* lane_state = nullptr;  // the lane's; null: the service needs none
    WorkerLoad* load = nullptr;       // where the lane's thread shows itself; null: nowhere
    std::size_t number = 0;           // of the worker there
  };

  WorkerStep(Wiring wiring, LaneContext& lane, StatsWriter stats);

  RunResult run() noexcept override;

  // Waits until run() will find a message, at most `longest`. False: there will be no more
  // messages.
  bool wait() noexcept;

 private:
  Wiring w_;
  StatsWriter stats_;
  DeferredWork work_;
  bool shown_ = false;    // the lane's thread has shown itself
  bool claimed_ = false;  // the lane holds the claim that a wait brought
};

// The wait place of a worker lane, where it waits for a message in the worker queue.
class WorkerWait final : public WaitPlace {
 public:
  explicit WorkerWait(WorkerStep& step) noexcept : step_(step) {}
  bool wait(const RunResult&) noexcept override { return step_.wait(); }

 private:
  WorkerStep& step_;
};

}  // namespace cpss
