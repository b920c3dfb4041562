#include "numbers/row_sort.h"

#include <algorithm>
#include <random>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

namespace cpss {
namespace {

std::tuple<std::uint64_t, std::uint32_t, image::Value> as_tuple(const NumberRow& row) {
  return {row.key, row.line, row.value};
}

void expect_sorted(std::vector<NumberRow> rows) {
  std::vector<NumberRow> wanted = rows;
  std::ranges::sort(wanted, {}, as_tuple);
  sort_rows(rows);
  EXPECT_TRUE(std::ranges::equal(rows, wanted, {}, as_tuple, as_tuple));
}

TEST(RowSort, SortsByKeyAndThenByLine) {
  std::mt19937_64 random(1);
  // Keys that differ everywhere, in their first bits only, in their last, and hardly at all.
  for (const std::uint64_t mask : {~std::uint64_t{0}, ~std::uint64_t{0} << 56, std::uint64_t{0xff},
                                   std::uint64_t{0x1000'0000'0000'0001}, std::uint64_t{0}})
    for (const std::size_t count : {0U, 1U, 2U, 64U, 65U, 1'000U, 50'000U}) {
      std::vector<NumberRow> rows;
      for (std::uint32_t i = 0; i < count; ++i)
        rows.push_back({random() & mask, static_cast<image::Value>(i), i});
      std::ranges::shuffle(rows, random);
      expect_sorted(rows);
      std::ranges::sort(rows, {}, as_tuple);
      expect_sorted(rows);
      std::ranges::reverse(rows);
      expect_sorted(rows);
    }
}

}  // namespace
}  // namespace cpss
