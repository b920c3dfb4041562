// The test hook that puts the ledger in disorder: adds 1 to a counter in a live region, from
// outside.
#pragma once

#include <string>

namespace cpss {

// The first block's counter of that name; throws std::runtime_error where there is none.
void break_counter(const std::string& stats_file, const std::string& counter);

}  // namespace cpss
