// The whole picture: slots, queues, steps and lanes, wired as the model `seda` has them.
//
//   sockets ─► receive lanes ─[requests]─► service lanes ─[responses]─► response lanes ─► sockets
//
// Both queues hold every slot, so they are never full; receive waits for sockets and free slots,
// service for requests, response for responses and the kernel. Lanes wait only for what is
// downstream of them: no cycle can block.
//
// Main thread only. It outlives its lanes: after end() has returned true, or not at all (a forced
// end leaves by _exit).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "queue/slot_pool.h"
#include "queue/slot_queue.h"
#include "services/service.h"
#include "stages/admission.h"
#include "stages/events.h"
#include "stages/lane.h"
#include "stages/memory.h"
#include "stages/queue_wait.h"
#include "stages/receive.h"
#include "stages/receive_wait.h"
#include "stages/response.h"
#include "stages/service.h"
#include "stages/slot_store.h"
#include "stats/region.h"

namespace cpss {

struct PoolOptions {
  unsigned lanes = 1;
  std::vector<unsigned> cpus;  // empty: all
};

struct PipelineOptions {
  PoolOptions receive;
  PoolOptions service;
  PoolOptions response;
  std::uint32_t slots = 0;
  std::size_t window_bytes = 0;
  std::uint32_t batch = 0;
};

// The lanes of the pipeline and the main thread, in the order in which Pipeline expects the
// region's blocks; and the most datagrams that can be inside (RegionOptions).
std::vector<RegionBlock> blocks_of(const PipelineOptions& options);
std::uint64_t most_inside(const PipelineOptions& options);

class Pipeline {
 public:
  // Service, ports, admission and region are the caller's and outlive the pipeline.
  // Throws std::bad_alloc, std::system_error.
  Pipeline(const PipelineOptions& options, Service& service, std::vector<DatagramPort*> ports,
           const Admission& admission, StatsRegion& region);
  ~Pipeline();

  // Throws std::system_error; lanes already started are ended again.
  void start();

  // The orderly end: receive lanes take what the sockets still hold, then every stage finishes what
  // reaches it, in the order of the flow. `give_up` is asked several times a second; once it says
  // true, end() returns false and lanes still run.
  bool end(const std::function<bool()>& give_up);

  // At a forced end: takes every message away from the lanes and books it as failed. May be called
  // again for what came in meanwhile. Returns how many it took.
  std::uint64_t seize_all(StatsWriter& main) noexcept;

  // Calls `each` for every event that a lane has reported; returns the number of events lost.
  std::uint64_t take_events(const std::function<void(const std::string& lane, const Event&)>& each);

 private:
  // A lane with its step, its wait place and its way to the log.
  template <class StepType, class PlaceType>
  struct Station;
  template <class StepType, class PlaceType>
  using Stations = std::vector<std::unique_ptr<Station<StepType, PlaceType>>>;

  template <class StepType, class PlaceType, class MakeStep, class MakePlace>
  void build(Stations<StepType, PlaceType>& stations, const char* name, const PoolOptions& pool,
             StatsRegion& region, const MakeStep& make_step, const MakePlace& make_place);
  template <class AnyStations>
  static bool join_all(AnyStations& stations, const std::function<bool()>& give_up);

  unsigned pool_lanes_;  // lanes that use the slot pool: all
  std::size_t next_block_ = 0;
  int slots_event_;  // wakes receive lanes that wait for slots
  int stop_event_;   // ends the receive lanes
  Memory pool_memory_;
  Memory request_memory_;
  Memory response_memory_;
  SlotStore store_;
  SlotPool* pool_;
  SlotQueue* requests_;
  SlotQueue* responses_;
  Stations<ReceiveStep, ReceiveWait> receive_;
  Stations<ServiceStep, QueueWait> service_;
  Stations<ResponseStep, QueueWait> response_;
};

}  // namespace cpss
