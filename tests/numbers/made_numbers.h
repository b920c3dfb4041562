// Number data that a test makes of CSV, and what they say of a number.
#pragma once

#include <string>
#include <string_view>

#include "numbers/number_data.h"

namespace cpss::test {

inline NumberData numbers_of(std::string_view csv, Rows rows = Rows::needed,
                             const NumberFormat& format = {},
                             const std::string& source = "numbers.csv") {
  MemorySource bytes(csv);
  return NumberData::load(bytes, source, format, rows);
}

inline E164 number(std::string_view digits) {
  return E164::parse_digits(digits).value();
}

// As service lookup gives it; "" if no row matches.
inline std::string row_of(const NumberData& numbers, E164 number) {
  const NumberMatch match = numbers.table().find(number);
  if (match.value == image::kNoValue) return "";
  std::string text(row_size(numbers, match, 1 << 20), ' ');
  write_row(numbers, match, number, text);
  return text;
}
inline std::string row_of(const NumberData& numbers, std::string_view digits) {
  return row_of(numbers, number(digits));
}

}  // namespace cpss::test
