// --check-config: the checks of a start, without a start.
//
// Main thread, before there is another one.
#pragma once

#include <string>
#include <vector>

#include "config/load.h"
#include "server/daemon/plan.h"
#include "server/pipeline/assignment.h"

namespace cpss {

// Checks all that a start with this plan would check, but takes no port and makes no region.
// What is wrong with settings is added to `loaded`; what is wrong otherwise is thrown as a start
// throws it (SocketError, StatsRegionError, ServiceManagerError, std::system_error). Returns what
// only a start can tell, a line each.
std::vector<std::string> check_as_a_start(LoadResult& loaded, const Plan& plan,
                                          const char* const* environment);

// Of those that run on the main thread of a process. Throws as require_main_stack() does.
void require_stack_of_lanes(const Assignment& assignment);

}  // namespace cpss
