// Whether a server could have its stats region at a place, without making anything there.
//
// For set-up. Reads the environment, as location.h does.
#pragma once

#include <string>

namespace cpss {

// `path`: as in RegionOptions, empty for the default place, which need not be there yet. What a
// start would complain of, but for another server that has the region. Throws StatsRegionError.
void require_place_for_new_region(const std::string& path);

}  // namespace cpss
