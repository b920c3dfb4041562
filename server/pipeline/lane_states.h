// The service's LaneState for each lane. Made before there is anything that an end would have to
// bring in order: so a service may take any length of time, and a signal can end it at any time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/pipeline/assignment.h"
#include "services/service.h"

namespace cpss {

// By lane; null for a lane that runs no service, and for processes, which make their own.
using LaneStates = std::vector<std::unique_ptr<LaneState>>;

// Throws what the service throws.
LaneStates make_lane_states(const Assignment& assignment, const Service& service);

// The names of the lanes that a state is made for, in this order.
std::vector<std::string> lanes_with_state(const Assignment& assignment);

}  // namespace cpss
