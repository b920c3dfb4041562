// Number data as comma-separated values: docs/numbers.md describes the format.
//
// For set-up; the functions hold no state.
#pragma once

#include <string>
#include <string_view>

#include "services/number_table.h"

namespace cpss {

// `source` names the data in messages. Throws ServiceDataError, with the first problems and the
// number of all, where anything is wrong with any line: nothing is half-loaded.
NumberTable parse_numbers(std::string_view csv, std::string_view source);

// The same from a file or pipe. Throws ServiceDataError also where it cannot be read.
NumberTable load_numbers(const std::string& path);

}  // namespace cpss
