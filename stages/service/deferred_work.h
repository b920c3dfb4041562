// Processes one deferred message, from where it was queued to its end or to the response stage.
// Workers, on-demand threads and lanes that share their work use it.
//
// One object per lane, which must keep no free slots meanwhile: the service may block.
#pragma once

#include <cstdint>
#include <optional>

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
    SlotQueue& responses;
  };

  // `inline_dispatch`: the lane may send the reply itself.
  DeferredWork(const Wiring& wiring, LaneContext& lane, StatsWriter& stats,
               std::optional<InlineDispatch> inline_dispatch = {});

  // Takes the oldest message of the queue, on which the caller holds a claim, and processes it.
  void process_one(WorkerQueue& queue, LaneState* lane_state) noexcept;
  // Processes a message that was just taken out of its queue.
  void process(std::uint32_t slot, LaneState* lane_state) noexcept;

 private:
  Wiring w_;
  StatsWriter& stats_;
  ServiceRunner runner_;
};

}  // namespace cpss
