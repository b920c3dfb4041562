// Number data that a test makes of CSV, and what they say of a number.
#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>

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

// Blocks, groups of both kinds, routes, and numbers of odd lengths.
inline std::string rows_of_all_kinds() {
  std::string csv = "prefix,priority,rn\n1,0,a\n1,3,b\n44,0,\"c, d\"\n1201555,0,d\n12015553,0,e\n";
  for (int i = 0; i < 10'000; i += 3) csv += fmt::format("1201555{:04},0,{}\n", i, i % 50);
  for (int i = 0; i < 10'000; i += 5) csv += fmt::format("1201556{:04},0,{}\n", i, i);
  for (int i = 0; i < 10'000; i += 99) csv += fmt::format("1201557{:04},,{}\n", i, i % 3);
  for (int i = 0; i < 100; ++i) csv += fmt::format("+4930{:05},0,f\n", i * 997);
  return csv;
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
