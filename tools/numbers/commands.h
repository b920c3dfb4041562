// What cpss-numbers does.
#pragma once

#include "tools/numbers/options.h"

namespace cpss::numbers_tool {

// Prints to standard output; returns the exit code. Throws NumberDataError, OutputError,
// std::system_error, std::bad_alloc.
int run(const Options& options);

}  // namespace cpss::numbers_tool
