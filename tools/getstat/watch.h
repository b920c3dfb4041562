// Shows the table again and again.
#pragma once

#include <chrono>
#include <string>

namespace cpss::getstat {

// Goes on until SIGINT or SIGTERM, and then returns true, even while standard output takes nothing
// (a stopped terminal, a pipe that no process reads); or until a write to standard output fails:
// false. On a terminal it refreshes in place, cut to what fits there, else it prints one table
// after the other. If the region is missing, or its server ends or restarts, it shows that and goes
// on. Leaves both signals blocked: call it last. Throws std::system_error.
bool watch(const std::string& file, std::chrono::milliseconds interval);

}  // namespace cpss::getstat
