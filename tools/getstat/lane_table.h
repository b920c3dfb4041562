// Who receives how much, and which lanes and processes come and go, as text for people.
#pragma once

#include <string>

#include "stats/reader.h"

namespace cpss::getstat {

// Where several lanes receive: what each has received in all, and its share of that, or with
// `before`, an earlier snapshot of the same server, its share and rate since then; those with the
// largest share first, many of them in one row. Then a line each of what was counted of lanes and
// of processes. Empty where there is nothing of it to say. The reading has a snapshot.
std::string format_lanes(const Reading& reading, const Snapshot* before);

}  // namespace cpss::getstat
