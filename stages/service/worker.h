// Stage worker: processes deferred messages, where the service may block.
//
// One object per worker lane. Messages are taken one by one: a worker that blocks keeps nobody but
// its own message waiting.
#pragma once

#include <cstdint>

#include "queue/worker_occupancy.h"
#include "queue/worker_queue.h"
#include "services/service.h"
#include "stages/lane/step.h"
#include "stages/lane/wait.h"
#include "stages/service/deferred_work.h"
#include "stats/writer.h"

namespace cpss {

class WorkerStep final : public Step {
 public:
  struct Wiring {
    DeferredWork::Wiring work;
    WorkerOccupancy& occupancy;
    LongestWait longest = {};         // of one wait for a message
    LaneState* lane_state = nullptr;  // the lane's; null: the service needs none
  };

  WorkerStep(Wiring wiring, LaneContext& lane, StatsWriter stats);

  std::size_t run() noexcept override;

  // Waits until run() will find a message, at most `longest`; false once there will be none any
  // more.
  bool wait() noexcept;

 private:
  Wiring w_;
  StatsWriter stats_;
  DeferredWork work_;
  bool claimed_ = false;  // the claim that a wait brought
};

// Where a worker lane waits: for a message in the worker queue.
class WorkerWait final : public WaitPlace {
 public:
  explicit WorkerWait(WorkerStep& step) noexcept : step_(step) {}
  bool wait() noexcept override { return step_.wait(); }

 private:
  WorkerStep& step_;
};

}  // namespace cpss
