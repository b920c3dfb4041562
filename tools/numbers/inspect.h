// Commands that tell what number data are, and change nothing.
//
// Each prints to standard output and returns the exit code; they throw as run() (commands.h).
#pragma once

#include "tools/numbers/options.h"

namespace cpss::numbers_tool {

int check(const Options& options);
int info(const Options& options);
int show(const Options& options);

}  // namespace cpss::numbers_tool
