// The number table: finds the row with the longest prefix of a number, in an image
// (image_format.h).
//
// A view of an image that was checked; constant, any thread, valid as long as the image. find()
// allocates nothing.
//
// A search in a large table costs cache misses. So the layout makes them few, and find() makes them
// overlap: it takes a batch through the table in lock-step, and each round moves every number one
// node on and prefetches what it needs next, so that one number's miss is hidden by the others'
// work (tests/bench/number_table_bench.cpp measures it).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "numbers/e164.h"
#include "numbers/image_format.h"
#include "numbers/values.h"

namespace cpss {

// What the table knows of a number.
struct NumberMatch {
  image::Value value = image::kNoValue;  // of the row with the longest prefix of it
  std::uint8_t digits = 0;               // of that prefix
  // There are rows that begin with the number and are longer. So the number is not complete: ENUM's
  // NODATA (RFC 8020), SIP's 484.
  bool longer = false;

  bool operator==(const NumberMatch&) const = default;
};

class NumberTable {
 public:
  NumberTable() = default;  // without a row
  // `image`: as check_image() has found it right (image.h).
  explicit NumberTable(std::span<const std::byte> image) noexcept;

  // numbers.size() == matches.size().
  void find(std::span<const E164> numbers, std::span<NumberMatch> matches) const noexcept;
  NumberMatch find(E164 number) const noexcept;
  const Values& values() const noexcept { return values_; }

 private:
  class Search;

  std::span<const image::RootEntry> root_;
  const std::uint32_t* tables_ = nullptr;
  std::span<const image::Node> nodes_;
  const std::byte* groups_ = nullptr;
  Values values_{{}};
};

}  // namespace cpss
