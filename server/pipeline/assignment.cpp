#include "server/pipeline/assignment.h"

#include <algorithm>

#include "net/segmentation.h"

namespace cpss {
namespace {

// The lane that starts the on-demand threads.
constexpr const char* kStarterName = "starter";

Detail detail_of(StageId stage, const PipelineOptions& options) {
  switch (stage) {
    case StageId::receive:
      return options.receive.detail;
    case StageId::service:
      return options.service.detail;
    case StageId::worker:
      return options.worker.detail;
    case StageId::response:
      return options.response.detail;
    default:
      return Detail::histograms;
  }
}

}  // namespace

bool LanePlan::runs(StageId step) const {
  return std::ranges::find(steps, step) != steps.end();
}

bool LanePlan::runs_inline(StageId step) const {
  return std::ranges::find(inline_steps, step) != inline_steps.end();
}

std::string lane_name(const char* kind, unsigned number) {
  return kind + ("-" + std::to_string(number));
}

LanePlan whole_lane(const PipelineOptions& options, const char* kind, unsigned number) {
  return {.name = lane_name(kind, number),
          .steps = {StageId::receive, StageId::service, StageId::response},
          .cpus = options.receive.cpus,
          .real_time_priority = options.receive.real_time_priority};
}

void add_workers(Assignment& assignment, const PipelineOptions& options) {
  const std::vector<unsigned>& cpus = options.worker.cpus;
  for (unsigned i = 0; i < options.worker.lanes; ++i)
    assignment.lanes.push_back(
        {.name = lane_name("work", i), .steps = {StageId::worker}, .cpus = cpus});
  if (options.on_demand_threads == 0) return;
  assignment.lanes.push_back({.name = kStarterName, .steps = {StageId::on_demand}, .cpus = cpus});
  for (unsigned i = 0; i < options.on_demand_threads; ++i)
    assignment.lanes.push_back({.name = lane_name("demand", i),
                                .steps = {StageId::on_demand},
                                .cpus = cpus,
                                .transient = true});
}

unsigned lanes_with(const Assignment& assignment, StageId step) {
  return static_cast<unsigned>(std::ranges::count_if(
      assignment.lanes, [step](const LanePlan& l) { return !l.transient && l.runs(step); }));
}

void share_out_sockets(Assignment& assignment, SocketSharing sharing) {
  assignment.shared_sockets =
      sharing == SocketSharing::shared && lanes_with(assignment, StageId::receive) > 1;
  if (sharing != SocketSharing::reuseport) return;
  unsigned groups = 0;
  for (LanePlan& lane : assignment.lanes)
    if (lane.runs(StageId::receive)) lane.sockets = groups++;
  assignment.socket_groups = groups;
}

std::vector<RegionBlock> blocks_of(const Assignment& assignment, const PipelineOptions& options) {
  std::vector<RegionBlock> blocks;
  for (const LanePlan& lane : assignment.lanes) {
    for (const StageId step : lane.steps)
      blocks.push_back({lane.name, step, detail_of(step, options)});
    for (const StageId step : lane.inline_steps)
      blocks.push_back({lane.name, step, detail_of(step, options), true});
  }
  blocks.push_back({"main", StageId::server});
  return blocks;
}

std::size_t blocks_of_lane(const LanePlan& lane) {
  return lane.steps.size() + lane.inline_steps.size();
}

std::vector<StatsWriter> writers_of(const StatsRegion& region, const Assignment& assignment,
                                    std::size_t lane) {
  std::size_t block = 0;
  for (std::size_t i = 0; i < lane; ++i) block += blocks_of_lane(assignment.lanes[i]);
  std::vector<StatsWriter> writers;
  for (std::size_t i = 0; i < blocks_of_lane(assignment.lanes[lane]); ++i)
    writers.push_back(region.writer(block + i));
  return writers;
}

std::vector<std::string> lane_names(const Assignment& assignment) {
  std::vector<std::string> names;
  for (const LanePlan& lane : assignment.lanes) names.push_back(lane.name);
  return names;
}

// Every message inside holds a slot, or is shed, or came merged with others and waits for a slot in
// its receive lane. A receive lane counts a batch before its messages hold their slots, and every
// lane may have booked part of a batch.
std::uint64_t max_inside(const Assignment& assignment, const PipelineOptions& options) {
  const std::uint64_t per_arrival = options.merged ? kMaxSegments : options.shed ? 1 : 0;
  const std::uint64_t received = lanes_with(assignment, StageId::receive) * per_arrival;
  return options.slots + (received + assignment.lanes.size()) * options.batch;
}

}  // namespace cpss
