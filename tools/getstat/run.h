// What getstat does once it knows what it was asked.
#pragma once

#include "tools/getstat/options.h"

namespace cpss::getstat {

enum ExitCode : int { kGood = 0, kIdentityBroken = 1, kNoRegion = 2, kStale = 3 };

// Prints to standard output, problems to standard error. Returns the exit code.
int run(const Options& options);

}  // namespace cpss::getstat
