// The reading as one JSON object, for programs.
#pragma once

#include <string>

#include "stats/reader.h"

namespace cpss::getstat {

// Always has all keys of docs/getstat.md; without a readable region all but `state` are null. Each
// of `stages`, and `server` (the main thread), has every counter and histogram of the region under
// its name (docs/counters.md), and in `gauges` every gauge; a stage also has its StageFigures. Its
// queue_high_water belongs to the queue that feeds it, and so is a gauge of the stage before. Ends
// with '\n'.
std::string format_json(const Reading& reading);

}  // namespace cpss::getstat
