// Number data as comma-separated values: docs/numbers.md describes the format.
//
// For set-up; the functions hold no state.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/patient_file.h"
#include "services/number_table.h"

namespace cpss {

// Whether data without a single row are accepted: they mostly are the wrong file, or one that an
// export has not finished.
enum class Rows : bool { needed, may_be_none };

// `source` names the data in messages. Throws ServiceDataError if anything is wrong with any line:
// nothing is half-loaded. Its text has the first problems and the number of the others.
NumberTable parse_numbers(std::string_view csv, std::string_view source, Rows rows = Rows::needed);

// The same from a file or pipe. Throws ServiceDataError also if it cannot be read, or gives no data
// for `patience`, but std::system_error if a limit of this process is the reason.
NumberTable load_numbers(const std::string& path, Rows rows = Rows::needed,
                         std::chrono::milliseconds patience = kInputPatience);

}  // namespace cpss
