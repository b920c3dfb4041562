// Makes the values of an image: each different one once (image_format.h).
//
// Not for several threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "numbers/growing_array.h"
#include "numbers/image_format.h"
#include "numbers/values.h"

namespace cpss {

class ValuePool {
 public:
  static constexpr std::size_t kMaxText = 0xffff;  // bytes of one route; more than a datagram holds

  ValuePool();

  // The value with these routes, 1 to kMaxRoutes, in this order, of at most kMaxText bytes each.
  // Throws std::length_error if it would begin beyond 32 GiB, std::bad_alloc.
  image::Value add(std::span<const std::string_view> texts);
  image::Value add(std::string_view text) { return add(std::span(&text, 1)); }
  // The value whose routes are the first routes of these.
  image::Value join(std::span<const image::Value> values);

  std::span<const std::byte> bytes() const noexcept { return bytes_.bytes(); }
  Values view() const noexcept { return Values(bytes()); }
  std::uint64_t size() const noexcept { return count_; }

 private:
  // Where the value at the end of bytes_, which has `length` bytes, is already; else its entry.
  std::uint32_t& entry_of(std::size_t begin, std::size_t length) noexcept;
  void widen();

  GrowingArray<std::byte> bytes_;
  GrowingArray<std::uint32_t> table_;   // values by hash; 0: empty
  GrowingArray<std::uint32_t> hashes_;  // of the values in table_
  std::uint64_t count_ = 0;
};

}  // namespace cpss
