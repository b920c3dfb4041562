// Whether a server could have its stats region at a place, without making anything there.
//
// For set-up. Reads the environment, as location.h does.
#pragma once

#include <string>

namespace cpss {

// `path`: as in RegionOptions, empty for the default place, which need not exist yet. Throws
// StatsRegionError for the same reasons as a start, except that another server has the region.
void require_place_for_new_region(const std::string& path);

}  // namespace cpss
