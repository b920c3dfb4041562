#include "server/pipeline/lane_states.h"

namespace cpss {
namespace {

// Includes on-demand threads, which run the service without having its step.
bool runs_service(const LanePlan& lane) {
  return lane.runs(StageId::service) || lane.runs_inline(StageId::service) ||
         lane.runs(StageId::worker) || lane.transient;
}

}  // namespace

LaneStates make_lane_states(const Assignment& assignment, const Service& service) {
  LaneStates states(assignment.lanes.size());
  if (assignment.separate_processes) return states;
  for (std::size_t lane = 0; lane < states.size(); ++lane)
    if (runs_service(assignment.lanes[lane])) states[lane] = service.make_lane_state();
  return states;
}

std::vector<std::string> lanes_with_state(const Assignment& assignment) {
  std::vector<std::string> names;
  if (assignment.separate_processes) return names;
  for (const LanePlan& lane : assignment.lanes)
    if (runs_service(lane)) names.push_back(lane.name);
  return names;
}

}  // namespace cpss
