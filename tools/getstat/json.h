// The reading as one JSON object, for programs.
#pragma once

#include <string>

#include "stats/reader.h"

namespace cpss::getstat {

// Keys: state, troubles, pid, pid_is_foreign (it is that of another PID namespace), model, service,
// uptime_s, heartbeat_age_s, listen, slots, stages, server,
// receivers, imbalance, processes, ledger, reasons; always all of them. Each of `stages`, and
// `server`, the main thread, has every counter and histogram of the region under its name
// (docs/counters.md), and in `gauges` every gauge; a stage also has what follows from them. Its
// queue_high_water is that of the queue that feeds it, and so a gauge of the stage before.
// What is not known, because there is no readable region, is null; so is the imbalance where
// nothing was received. Times are in ns, shares ratios. Ends with '\n'.
std::string format_json(const Reading& reading);

}  // namespace cpss::getstat
