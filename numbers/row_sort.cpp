#include "numbers/row_sort.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace cpss {
namespace {

constexpr std::size_t kFew = 64;  // rows that a comparison sort is quicker with
constexpr unsigned kDigitBits = 8;
constexpr std::size_t kBuckets = std::size_t{1} << kDigitBits;

bool before(const NumberRow& a, const NumberRow& b) noexcept {
  return a.key != b.key ? a.key < b.key : a.line < b.line;
}

// American flag sort (McIlroy, Bostic, McIlroy, Engineering Radix Sort, Computing Systems 6(1),
// 1993): by the byte at `shift`, each row is swapped to its bucket; then each bucket by the next.
void sort_by_byte(std::span<NumberRow> rows, unsigned shift) {
  if (rows.size() <= kFew) {
    std::ranges::sort(rows, before);
    return;
  }
  const auto bucket_of = [shift](const NumberRow& row) {
    return static_cast<std::size_t>(row.key >> shift) % kBuckets;
  };
  std::array<std::size_t, kBuckets> end{};
  for (const NumberRow& row : rows) ++end[bucket_of(row)];
  std::array<std::size_t, kBuckets> next;
  std::size_t sum = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    next[i] = sum;
    end[i] = sum += end[i];
  }
  for (std::size_t i = 0; i < kBuckets; ++i)
    while (next[i] < end[i]) {
      const std::size_t to = bucket_of(rows[next[i]]);
      if (to == i)
        ++next[i];
      else
        std::swap(rows[next[i]], rows[next[to]++]);
    }
  std::size_t begin = 0;
  for (const std::size_t bucket_end : end) {
    const std::span<NumberRow> bucket = rows.subspan(begin, bucket_end - begin);
    begin = bucket_end;
    if (shift > 0)
      sort_by_byte(bucket, shift - kDigitBits);
    else
      std::ranges::sort(bucket, before);
  }
}

}  // namespace

void sort_rows(std::span<NumberRow> rows) {
  if (std::ranges::is_sorted(rows, before)) return;
  sort_by_byte(rows, 64 - kDigitBits);
}

}  // namespace cpss
