// The number data used if none are configured: services/sample-numbers.csv, compiled in, so that a
// first start needs no file.
#pragma once

#include <string_view>

namespace cpss {

inline constexpr std::string_view kSampleNumbersName = "sample-numbers.csv";
extern const std::string_view kSampleNumbers;

}  // namespace cpss
