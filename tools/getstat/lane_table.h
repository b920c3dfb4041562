// Which lane receives how much, and how many lanes and processes come and go, as text for people.
#pragma once

#include <string>

#include "stats/reader.h"

namespace cpss::getstat {

// If several lanes receive: how much each has received in all, and its share of that; with
// `before`, an earlier snapshot of the same server, its share and rate since then. The largest
// share comes first; the lanes beyond the first 16 share a row. Then a line of counters about
// lanes, and one about processes, unless they are 0. Empty if there is nothing to tell. The reading
// has a snapshot.
std::string format_lanes(const Reading& reading, const Snapshot* before);

}  // namespace cpss::getstat
