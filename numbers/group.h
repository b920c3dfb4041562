// A group of an image: the rows that share all but their last four digits (image_format.h).
//
// A view, as NumberTable is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "numbers/image_format.h"

namespace cpss {

class Group {
 public:
  Group() = default;
  // `place`: in `groups`, as nodes have it. `path`: of the node, which says what the group is like.
  Group(const std::byte* groups, std::uint32_t place, std::uint64_t path) noexcept
      : base_(groups + std::size_t{place} * image::kGroupUnit),
        kind_(static_cast<std::uint8_t>((path & image::kGroupMask) >> image::kGroupShift)) {}

  // The first four of packed digits as a number, 0 to 9,999.
  static unsigned position(std::uint64_t digits) noexcept {
    // Two pairs of digits side by side, then the two pairs.
    const auto four = static_cast<unsigned>(digits >> 48) - 0x1111U;
    const unsigned pairs = (four & 0x0f0f) + 10 * (four >> 4 & 0x0f0f);
    return (pairs & 0xff) + 100 * (pairs >> 8);
  }
  // The packed digits of a position.
  static std::uint64_t digits(unsigned position) noexcept {
    std::uint64_t digits = 0;
    for (unsigned step = 1'000; step > 0; step /= 10)
      digits = digits << image::kDigitBits | (position / step % 10 + 1);
    return digits << (64 - image::kDigitBits * image::kGroupDigits);
  }

  bool is_bitmap() const noexcept { return (kind_ & kBitmap) != 0; }
  bool has_blocks() const noexcept { return (kind_ & kWithBlocks) != 0; }

  void prefetch(unsigned position) const noexcept {
    if (is_bitmap()) {
      __builtin_prefetch(&units()[position / image::BitmapUnit::kBits]);
    } else {
      __builtin_prefetch(base_);
      __builtin_prefetch(base_ + 64);
    }
  }
  // The place among the group's rows of the one with that position; -1: there is none.
  int find(unsigned position) const noexcept {
    if (is_bitmap()) {
      const image::BitmapUnit& unit = units()[position / image::BitmapUnit::kBits];
      const unsigned bit = position % image::BitmapUnit::kBits;
      return unit.has(bit) ? static_cast<int>(unit.rank(bit)) : -1;
    }
    const std::span<const std::uint16_t> all = positions();
    const unsigned place = positions_below(position);
    return place < all.size() && all[place] == position ? static_cast<int>(place) : -1;
  }

  // `place`: as find() says.
  void prefetch_value(std::size_t place) const noexcept {
    __builtin_prefetch(values() + place * sizeof(image::Value));
  }
  image::Value value(std::size_t place) const noexcept {
    return load<image::Value>(values() + place * sizeof(image::Value));
  }
  // Of the row with one digit more than the node, a packed one; kNoValue: there is none here.
  image::Value block(std::uint64_t packed_digit) const noexcept {
    if (!has_blocks()) return image::kNoValue;
    return load<image::Value>(base_ - packed_digit * sizeof(image::Value));
  }

  // Whether it has a row that begins with the first `count` of the packed digits, 1 to 3, and so
  // has more of them.
  bool has_any(std::uint64_t digits, unsigned count) const noexcept {
    const image::DigitRange range = image::range_below(digits, count, image::kGroupDigits);
    const unsigned from = position(range.first);
    return rank(from) < rank(from + range.size);
  }
  // How many rows it has below a position, up to 10,000.
  unsigned rank(unsigned position) const noexcept {
    if (is_bitmap())
      return units()[position / image::BitmapUnit::kBits].rank(position % image::BitmapUnit::kBits);
    return positions_below(position);
  }
  unsigned size() const noexcept { return rank(image::kGroupNumbers); }

 private:
  static constexpr unsigned kBitmap = image::kGroupIsBitmap >> image::kGroupShift;
  static constexpr unsigned kWithBlocks = image::kGroupHasBlocks >> image::kGroupShift;

  template <class T>
  static T load(const std::byte* from) noexcept {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
  }
  const image::BitmapUnit* units() const noexcept {
    return reinterpret_cast<const image::BitmapUnit*>(base_);
  }
  std::span<const std::uint16_t> positions() const noexcept {
    const auto* const words = reinterpret_cast<const std::uint16_t*>(base_);
    return {words + 1, words[0]};
  }
  // A binary search without branches that nobody can predict.
  unsigned positions_below(unsigned position) const noexcept {
    const std::span<const std::uint16_t> all = positions();
    const std::uint16_t* first = all.data();
    for (std::size_t left = all.size(); left > 0;) {
      const std::size_t half = (left + 1) / 2;
      first += first[half - 1] < position ? half : 0;
      left -= half;
    }
    return static_cast<unsigned>(first - all.data());
  }
  const std::byte* values() const noexcept {
    return base_ + (is_bitmap() ? image::kBitmapUnits * sizeof(image::BitmapUnit)
                                : image::positions_bytes(positions().size()));
  }

  const std::byte* base_;  // without a value at first: searches have arrays of groups
  std::uint8_t kind_;
};

}  // namespace cpss
