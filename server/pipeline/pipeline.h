// The engine of all server models that run in one process: its lanes, wired to the slots and queues
// between them as the model's assignment says (assignment.h).
//
//   sockets ─► receive ─[requests]─► service ─────────────────────────┬─[responses]─► response
//                                       └[worker queue]─► workers ────┤                └─► sockets
//                                               └─► on-demand threads ┘
//
// Requests and responses have a cell for every slot, so they are never full. Receive waits for
// sockets and free slots, service for requests and room in the worker queue, workers for deferred
// messages, response for responses and, for a limited time each, for room in the kernel; a lane
// that does several of these waits for all of them at once. Lanes wait only for what is downstream
// of them: no cycle can block.
//
// Main thread only. It outlives its lanes: it is destroyed after end() has returned true, or not at
// all (a forced end leaves by _exit).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/pipeline/assignment.h"
#include "server/pipeline/engine.h"
#include "server/pipeline/lane_runtime.h"
#include "server/pipeline/lane_states.h"
#include "server/pipeline/leader_group.h"
#include "server/pipeline/message_processes.h"
#include "server/pipeline/pipeline_resources.h"
#include "server/pipeline/scoreboard.h"
#include "services/service.h"
#include "stages/receive/access_control.h"
#include "stats/region.h"

namespace cpss {

class Pipeline final : public Engine {
 public:
  // The caller owns service, sockets, access_control and region; they outlive the pipeline.
  // `lane_states`: make_lane_states(). Throws std::bad_alloc, std::system_error.
  Pipeline(const PipelineOptions& options, Assignment assignment, Service& service,
           std::vector<DatagramSocket*> sockets, const AccessControl& access_control,
           StatsRegion& region, LaneStates lane_states);

  void start() override;
  bool end(const std::function<bool()>& give_up) override;
  void stop_receiving() override;
  std::uint64_t seize_all() noexcept override;
  bool all_taken() const noexcept override { return all_taken_; }
  void tick() override;
  Scoreboard& scoreboard() noexcept override { return scoreboard_; }

 private:
  using Runtimes = std::vector<LaneRuntime*>;

  void build(const StatsRegion& region);
  // The places made of transient lanes: for on-demand threads, or for processes of a message each.
  std::vector<OnDemandStarter::Place> on_demand_places(const StatsRegion& region);
  std::vector<MessageProcesses::Place> message_places(const StatsRegion& region);
  LaneRuntime::Parts parts_of(std::size_t lane, const StatsRegion& region);
  // The lanes whose first step is `first_step`, in the plan's order.
  Runtimes lanes_of(StageId first_step);
  static bool join_all(const Runtimes& runtimes, const std::function<bool()>& give_up);
  // Waits until each lane has said so; false if `give_up` said so first.
  static bool wait_for_all(const Runtimes& lanes, bool (LaneRuntime::*said)(Deadline) noexcept,
                           const std::function<bool()>& give_up);
  bool end_receiving(const std::function<bool()>& give_up);
  // Parts of seize_all().
  void end_processes() noexcept;
  std::uint64_t take_away_held() noexcept;

  const PipelineOptions options_;
  const Assignment assignment_;
  const std::vector<DatagramSocket*> sockets_;
  const LaneStates lane_states_;
  Scoreboard scoreboard_;
  PipelineResources resources_;
  StatsWriter main_;
  std::vector<std::unique_ptr<LaneContext>> on_demand_lanes_;
  std::optional<LeaderGroup> leaders_;         // only if one lane at a time listens
  std::optional<MessageProcesses> processes_;  // only with a process for each message
  std::vector<std::unique_ptr<LaneRuntime>> runtimes_;
  bool all_taken_ = false;
  std::chrono::steady_clock::time_point next_relief_;
};

}  // namespace cpss
