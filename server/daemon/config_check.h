// --check-config: makes the checks of a start, without a start.
//
// Main thread, before there is any other.
#pragma once

#include "config/load.h"
#include "server/daemon/server.h"
#include "server/pipeline/assignment.h"

namespace cpss {

// Checks all that a start would check, but binds none of its ports and makes no region, and prints
// what only a start can tell. Returns the exit code. Problems of settings are said, and added to
// `loaded`; any other problem is thrown as a start throws it (SocketError, StatsRegionError,
// ServiceManagerError, std::system_error).
int check_config(LoadResult& loaded, const ServerParts& parts, const char* const* environment);

// Requires the stack of lanes that run on a process's main thread. Throws as require_main_stack()
// does.
void require_stack_of_lanes(const Assignment& assignment);

}  // namespace cpss
