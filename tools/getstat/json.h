// The reading as one JSON object, for programs.
#pragma once

#include <string>

#include "stats/reader.h"

namespace cpss::getstat {

// Its keys: docs/getstat.md; always all of them. What is not known, because there is no readable
// region, is null. Each of `stages`, and `server`, the main thread, has every counter and histogram
// of the region under its name (docs/counters.md), and in `gauges` every gauge; a stage also has
// what follows from them. Its queue_high_water is that of the queue that feeds it, and so a gauge
// of the stage before. Ends with '\n'.
std::string format_json(const Reading& reading);

}  // namespace cpss::getstat
