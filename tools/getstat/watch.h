// Shows the table again and again.
#pragma once

#include <chrono>
#include <string>

namespace cpss::getstat {

// Until SIGINT or SIGTERM, also while standard output stands still (a terminal that was stopped, a
// pipe that nobody reads): true. Or until standard output is an error: false. On a terminal it
// refreshes in place, cut to what fits there, else it prints one table after the other. A region
// that is missing, or whose server ends or restarts, is shown as such and waited for. Leaves both
// signals blocked: call it last. Throws std::system_error.
bool watch(const std::string& file, std::chrono::milliseconds interval);

}  // namespace cpss::getstat
