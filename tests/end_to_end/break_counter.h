// The test hook that unbalances the ledger: adds 1 to a counter in a live region, from outside.
#pragma once

#include <string>

namespace cpss {

// The counter of that name in the first block; throws std::runtime_error if there is none.
void break_counter(const std::string& stats_file, const std::string& counter);

}  // namespace cpss
