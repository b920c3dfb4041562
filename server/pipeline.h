// The whole picture: slots, queues, steps and lanes, wired as the model `seda` has them.
//
//   sockets ─► receive ─[requests]─► service ─────────────────────────┬─[responses]─► response
//                                       └[worker queue]─► workers ────┤                └─► sockets
//                                               └─► on-demand threads ┘
//
// Requests and responses hold every slot, so they are never full. Receive waits for sockets and
// free slots, service for requests and room in the worker queue, workers for deferred messages,
// response for responses and the kernel. Lanes wait only for what is downstream of them: no cycle
// can block.
//
// Where it is allowed (PipelineOptions::help_most) and does not matter to the scheduler, because
// both stages have the same CPUs and class, a lane also has steps of its own of the stages behind
// it, and runs them itself when that saves a hop (stages/helping.h).
//
// Main thread only. It outlives its lanes: after end() has returned true, or not at all (a forced
// end leaves by _exit).
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "queue/crowd.h"
#include "queue/slot_pool.h"
#include "queue/slot_queue.h"
#include "queue/worker_queue.h"
#include "services/service.h"
#include "stages/admission.h"
#include "stages/busy_budget.h"
#include "stages/helping.h"
#include "stages/lane.h"
#include "stages/lane_context.h"
#include "stages/memory.h"
#include "stages/on_demand.h"
#include "stages/queue_wait.h"
#include "stages/receive.h"
#include "stages/receive_wait.h"
#include "stages/response.h"
#include "stages/service.h"
#include "stages/slot_store.h"
#include "stages/step_cost.h"
#include "stages/wait.h"
#include "stages/worker.h"
#include "stats/region.h"

namespace cpss {

struct PoolOptions {
  unsigned lanes = 1;
  std::vector<unsigned> cpus = {};                  // empty: all
  std::optional<unsigned> real_time_priority = {};  // none: not in the real-time class
  Detail detail = Detail::histograms;               // what its lanes count
};

struct PipelineOptions {
  PoolOptions receive;
  PoolOptions service;
  PoolOptions worker{.lanes = 0};
  PoolOptions response;
  unsigned on_demand_threads = 0;  // at most; only with workers
  unsigned worker_queue = 0;       // places; only with workers
  bool defer_all = false;          // every message goes to the workers
  bool shed = false;               // what finds no room is shed; false: it waits
  unsigned busy_rate = 0;          // busy replies a second
  // Longest batch that a lane helps the next stage with; none: each step on its own lanes only.
  std::optional<std::chrono::nanoseconds> help_most = {};
  unsigned cpus = 1;                    // that the server may use
  std::chrono::nanoseconds spin = {};   // how long a lane looks again before it waits
  std::chrono::nanoseconds pause = {};  // of a receive lane between small batches; 0: none
  bool merged = false;                  // arrivals may hold several datagrams (UDP_GRO)
  bool grouped = false;                 // replies to one peer may leave as one packet (UDP_SEGMENT)
  Sharing sharing = Sharing::process_private;
  std::optional<SocketAddress> reply_address;  // none: to the source of each request
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

  // At a forced end: receive lanes take no more datagrams and end. Waits for that, briefly.
  void stop_receiving();
  // At a forced end: takes every message away from the lanes and books it as failed. May be called
  // again for what came in meanwhile. Returns how many it took.
  std::uint64_t seize_all(StatsWriter& main) noexcept;

  // Calls `each` for every event that a lane has reported; returns the number of events lost.
  std::uint64_t take_events(const std::function<void(const std::string& lane, const Event&)>& each);

 private:
  // The steps of later stages with which a lane helps them.
  struct Helpers;
  // What lanes of one kind have, beside their pool's options.
  struct LaneSetup {
    SlotPool& pool;
    std::uint32_t kept_slots;  // free ones that a lane keeps at most
    std::uint32_t pool_lanes;  // all lanes that keep some
    std::uint64_t spin_ns;     // how long a lane looks again before it waits
    AwakeLanes& awake;
  };
  // Of lanes that handle batches without blocking, and of those that may block with a message.
  LaneSetup quick_lanes();
  LaneSetup blocking_lanes();
  // A lane with its steps, its wait place and what those share.
  template <class StepType, class PlaceType>
  struct Station;
  template <class StepType, class PlaceType>
  using Stations = std::vector<std::unique_ptr<Station<StepType, PlaceType>>>;

  void build_receive(Service& service, const Admission& admission, StatsRegion& region);
  void build_service(Service& service, StatsRegion& region);
  void build_workers(Service& service, StatsRegion& region);
  void build_response(StatsRegion& region);
  std::vector<OnDemandStarter::Place> on_demand_places(unsigned threads, StatsRegion& region);
  // The lane's own step of a later stage, and how it is to help with it; none where the lanes of
  // `from`, or of receive, do not help. Takes the region's next block.
  std::optional<Help> response_help(const PoolOptions& from, Helpers& helpers, LaneContext& lane,
                                    StatsRegion& region);
  std::optional<Help> service_help(Service& service, Helpers& helpers, LaneContext& lane,
                                   StatsRegion& region);
  ServiceStep::Wiring service_wiring(Service& service);
  ResponseStep::Wiring response_wiring();
  const SocketAddress* reply_address() const noexcept {
    return options_.reply_address ? &*options_.reply_address : nullptr;
  }

  template <class StepType, class PlaceType, class MakeStep, class MakePlace>
  void build(Stations<StepType, PlaceType>& stations, const char* name, const PoolOptions& pool,
             const LaneSetup& setup, StatsRegion& region, const MakeStep& make_step,
             const MakePlace& make_place);
  template <class AnyStations>
  static bool join_all(AnyStations& stations, const std::function<bool()>& give_up);

  const PipelineOptions options_;
  AwakeLanes awake_lanes_;
  const std::vector<DatagramPort*> ports_;
  unsigned pool_lanes_;  // lanes that keep free slots in between
  std::size_t next_block_ = 0;
  int slots_event_;  // wakes receive lanes that wait for slots
  int stop_event_;   // ends the receive lanes
  LongestWait longest_wait_;
  BusyBudget busy_budget_;
  Memory pool_memory_;
  Memory request_memory_;
  Memory response_memory_;
  SlotStore store_;
  SlotPool* pool_;
  SlotQueue* requests_;
  SlotQueue* responses_;
  StepCost service_cost_;
  StepCost response_cost_;
  // Only with workers.
  std::optional<Memory> worker_memory_;
  WorkerQueue* worker_queue_ = nullptr;
  Crowd* crowd_ = nullptr;

  Stations<ReceiveStep, ReceiveWait> receive_;
  Stations<ServiceStep, QueueWait> service_;
  Stations<WorkerStep, WorkerWait> worker_;
  Stations<OnDemandStarter, StarterWait> starter_;  // one, where on-demand threads are allowed
  Stations<ResponseStep, QueueWait> response_;
  std::deque<std::pair<std::string, LaneContext>> on_demand_lanes_;  // by name of the thread
};

}  // namespace cpss
