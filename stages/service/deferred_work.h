// Processes one deferred message, from the worker queue to its end or to the response queue.
// Workers and on-demand threads both use it.
//
// One object per lane, which must keep no free slots: the service may block while it holds them.
#pragma once

#include "queue/worker_queue.h"
#include "services/service.h"
#include "stages/service/service_runner.h"
#include "stats/writer.h"

namespace cpss {

class DeferredWork {
 public:
  struct Wiring {
    Service& service;
    SlotStore& store;
    WorkerQueue& queue;
    SlotQueue& responses;
  };

  DeferredWork(const Wiring& wiring, LaneContext& lane, StatsWriter& stats);

  // Takes the oldest message and processes it. The caller holds a claim on the queue.
  void process_one(LaneState* lane_state) noexcept;

 private:
  Wiring w_;
  StatsWriter& stats_;
  ServiceRunner runner_;
};

}  // namespace cpss
