// Does what the options ask for.
#pragma once

#include "tools/getstat/options.h"

namespace cpss::getstat {

// kNotServing: the server is gone without a clean end, or hung; its last values are shown.
enum ExitCode : int { kGood = 0, kIdentityBroken = 1, kNoRegion = 2, kNotServing = 3 };

// Prints to standard output, problems to standard error. Returns the exit code.
int run(const Options& options);

}  // namespace cpss::getstat
