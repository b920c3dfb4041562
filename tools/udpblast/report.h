// Prints the result. No state, any thread.
#pragma once

#include <string>

#include "tools/udpblast/options.h"
#include "tools/udpblast/result.h"

namespace cpss::udpblast {

// For a person: several lines, the verdict last.
std::string text_report(const RunResult& result, const Options& options);

// One JSON object on one line; docs/udpblast.md names its keys.
std::string json_report(const RunResult& result, const Options& options);

}  // namespace cpss::udpblast
