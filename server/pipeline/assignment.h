// Which lanes a server has, which steps each of them runs, and on which sockets: all that a server
// model says (server/models/). A model does not say how lanes are built (lane_runtime.cpp,
// pipeline.cpp). Stages, services, counters and tools are the same under all models, so a
// comparison compares the models.
//
// Pure data and functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/pipeline/pipeline_options.h"
#include "stats/metrics.h"
#include "stats/region.h"
#include "stats/region_options.h"
#include "stats/writer.h"

namespace cpss {

struct LanePlan {
  std::string name;            // of its thread
  std::vector<StageId> steps;  // its own; a lane that receives also runs those behind it at once
  // Other stages' steps, which it may run inline (stages/message/inline_dispatch.h).
  std::vector<StageId> inline_steps = {};
  std::vector<unsigned> cpus = {};  // may run on these; empty: all
  std::optional<unsigned> real_time_priority = {};
  unsigned sockets = 0;    // the socket group it receives from
  bool transient = false;  // a place for threads or processes, each for one message

  bool runs(StageId step) const;
  bool runs_inline(StageId step) const;
  // Whether the service may block the lane: with a deferred message.
  bool may_block() const { return runs(StageId::worker) || runs(StageId::on_demand); }
};

struct Assignment {
  std::vector<LanePlan> lanes;
  unsigned socket_groups = 1;        // each has one socket for each address
  bool shared_sockets = false;       // several lanes wait for the same sockets
  bool leader_followers = false;     // the lanes listen one at a time (SocketSharing::handoff)
  bool separate_processes = false;   // each lane is a process
  bool work_sharing = false;         // lanes that run all steps share their work
  bool process_per_message = false;  // transient lanes are processes, started by the receive lane
};

std::string lane_name(const char* kind, unsigned number);  // recv-0

// A lane that runs all steps, for the models that have such lanes.
LanePlan whole_lane(const PipelineOptions& options, const char* kind, unsigned number);
// Adds workers and the starter of on-demand threads, for the models that have them.
void add_workers(Assignment& assignment, const PipelineOptions& options);
// Decides which lane receives from which sockets. To be called once all lanes are there.
void share_out_sockets(Assignment& assignment, SocketSharing sharing);

// How many lanes run the step as their own, without transient lanes.
unsigned lanes_with(const Assignment& assignment, StageId step);

// The lanes of the server and the main thread as blocks of the stats region. A lane's blocks are
// next to each other, own steps before inline ones; main's block is the last.
std::vector<RegionBlock> blocks_of(const Assignment& assignment, const PipelineOptions& options);
std::size_t blocks_of_lane(const LanePlan& lane);
// The writers of a lane's blocks, in their order.
std::vector<StatsWriter> writers_of(const StatsRegion& region, const Assignment& assignment,
                                    std::size_t lane);
std::vector<std::string> lane_names(const Assignment& assignment);

// The max number of datagrams that can be inside (RegionOptions).
std::uint64_t max_inside(const Assignment& assignment, const PipelineOptions& options);

}  // namespace cpss
