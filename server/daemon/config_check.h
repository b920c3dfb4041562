// --check-config: makes the checks of a start, without a start.
//
// Main thread, before there is any other.
#pragma once

#include <string>
#include <vector>

#include "config/load.h"
#include "server/daemon/plan.h"
#include "server/pipeline/assignment.h"

namespace cpss {

// Checks all that a start with this plan would check, but binds none of its ports and makes no
// region. Problems of settings are added to `loaded`; any other problem is thrown as a start throws
// it (SocketError, StatsRegionError, ServiceManagerError, std::system_error). Returns, a line each,
// what only a start can tell.
std::vector<std::string> check_as_a_start(LoadResult& loaded, const Plan& plan,
                                          const char* const* environment);

// Requires the stack of lanes that run on a process's main thread. Throws as require_main_stack()
// does.
void require_stack_of_lanes(const Assignment& assignment);

}  // namespace cpss
