// Commands that make images of CSV data and CSV data of images, and that find and apply changes.
//
// Each returns the exit code; they throw as run() (commands.h).
#pragma once

#include "tools/numbers/options.h"

namespace cpss::numbers_tool {

int build(const Options& options);
int export_csv(const Options& options);
int diff(const Options& options);
int apply(const Options& options);

}  // namespace cpss::numbers_tool
