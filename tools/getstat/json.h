// The reading as one JSON object, for programs.
#pragma once

#include <string>

#include "stats/reader.h"

namespace cpss::getstat {

// Keys: state, pid, model, service, uptime_s, heartbeat_age_s, listen, stages, receivers, imbalance,
// processes, ledger, reasons; always all of them.
// What is not known, because there is no readable region, is null; so is the imbalance where nothing
// was received. Times are in ns, shares ratios.
// Ends with '\n'.
std::string format_json(const Reading& reading);

}  // namespace cpss::getstat
