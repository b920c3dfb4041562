// How a server describes itself: in its region, and in the line that says that it is ready.
#pragma once

#include <string>
#include <vector>

#include "config/settings.h"
#include "server/pipeline/assignment.h"
#include "server/pipeline/pipeline_options.h"
#include "stats/region_options.h"

namespace cpss {

// `listen`: the addresses, as text.
RegionOptions region_options(const Settings& settings, const PipelineOptions& pipeline,
                             const Assignment& assignment, std::vector<std::string> listen);

// `region_path`: where its counters are.
std::string ready_line(const Settings& settings, const PipelineOptions& pipeline,
                       const Assignment& assignment, const std::vector<std::string>& listen,
                       const std::string& region_path);

}  // namespace cpss
