// Shows the table again and again.
#pragma once

#include <chrono>
#include <string>

namespace cpss::getstat {

// Until SIGINT or SIGTERM, or until standard output takes no more. On a terminal it refreshes in
// place, cut to what fits there, else it prints one table after the other. A region that is
// missing, or whose server ends or restarts, is shown as such and waited for. Leaves both signals
// blocked: call it last.
void watch(const std::string& file, std::chrono::milliseconds interval);

}  // namespace cpss::getstat
