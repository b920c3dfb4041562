// What the service keeps for each lane (LaneState), made before there is anything that an end would
// have to bring in order: that may take as long as the service likes, and can be ended at any time.
#pragma once

#include <memory>
#include <vector>

#include "server/pipeline/assignment.h"
#include "services/service.h"

namespace cpss {

// By lane; null for one that runs no service, and for processes, which make their own.
using LaneStates = std::vector<std::unique_ptr<LaneState>>;

// Throws what the service throws.
LaneStates make_lane_states(const Assignment& assignment, const Service& service);

}  // namespace cpss
