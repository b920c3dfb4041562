// Telephone numbers and their prefixes: 1 to 15 decimal digits (ITU-T E.164, section 6).
//
// A value of 8 bytes, no allocation except in to_string(), any thread.
#pragma once

#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cpss {

class E164 {
 public:
  static constexpr std::size_t kMaxDigits = 15;

  // nullopt unless `text` is 1 to 15 ASCII digits and nothing else.
  static std::optional<E164> parse_digits(std::string_view text) noexcept;
  // The same, with or without one '+' before the digits.
  static std::optional<E164> parse_number(std::string_view text) noexcept;

  E164() noexcept = default;  // no digits
  // As packed() has it.
  static E164 from_packed(std::uint64_t packed) noexcept { return E164(packed); }

  // Four bits a digit, the first digit in the highest bits, each one more than the digit, zeros
  // after the last. So the end of a number differs from every digit, the lowest four bits are
  // always zero, and the order of values is that of a dictionary: a prefix comes before all numbers
  // that begin with it.
  std::uint64_t packed() const noexcept { return packed_; }

  std::size_t size() const noexcept {  // digits
    return (64 - static_cast<std::size_t>(std::countr_zero(packed_)) + 3) / 4;
  }
  bool begins_with(E164 prefix) const noexcept {
    return ((packed_ ^ prefix.packed_) & ~(~std::uint64_t{0} >> 4 * prefix.size())) == 0;
  }
  // The number without its first `digits` digits, 0 to 15.
  E164 behind(std::size_t digits) const noexcept { return E164(packed_ << 4 * digits); }
  std::string to_string() const;

  bool operator==(const E164&) const noexcept = default;
  auto operator<=>(const E164& other) const noexcept { return packed_ <=> other.packed_; }

 private:
  explicit E164(std::uint64_t packed) noexcept : packed_(packed) {}

  std::uint64_t packed_ = 0;
};

}  // namespace cpss
