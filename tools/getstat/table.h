// The reading as text for people.
#pragma once

#include <string>

#include "stats/reader.h"

namespace cpss::getstat {

// A line with state, pid, model, service, addresses, uptime and slots; then, if the state is
// remarkable, a line that says so, or one for each trouble; then a line with `path`, the region's.
// A reading without a snapshot gives one line with its problem. Lines end with '\n'.
std::string format_header(const Reading& reading, const std::string& path);

// The header, then stages, lanes (tools/getstat/lane_table.h), times, waits, ledger, and the
// reasons and errors that are not 0. With `before`, an earlier snapshot of the same server, also
// rates since then. A reading without a snapshot gives the header alone.
std::string format_table(const Reading& reading, const Snapshot* before, const std::string& path);

}  // namespace cpss::getstat
