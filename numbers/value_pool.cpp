#include "numbers/value_pool.h"

#include <array>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

#include "numbers/image.h"

namespace cpss {
namespace {

constexpr std::size_t kFirstEntries = 1024;  // a power of two, as all later sizes

}  // namespace

ValuePool::ValuePool() {
  bytes_.grow(image::kValueUnit);  // the place of no value
  table_.grow(kFirstEntries);
  hashes_.grow(kFirstEntries);
}

image::Value ValuePool::add(std::span<const std::string_view> texts) {
  const std::size_t begin = bytes_.size();
  if (begin / image::kValueUnit > std::numeric_limits<image::Value>::max())
    throw std::length_error("the values of number data need more than 32 GiB");
  std::size_t length = 1;
  for (const std::string_view text : texts) length += sizeof(std::uint16_t) + text.size();
  const std::size_t padded = image::aligned(length, image::kValueUnit);
  std::byte* place = bytes_.grow(padded);
  *place++ = static_cast<std::byte>(texts.size());
  for (const std::string_view text : texts) {
    const auto size = static_cast<std::uint16_t>(text.size());
    std::memcpy(place, &size, sizeof size);
    std::memcpy(place + sizeof size, text.data(), text.size());
    place += sizeof size + text.size();
  }

  std::uint32_t& entry = entry_of(begin, padded);
  if (entry != image::kNoValue) {
    bytes_.resize_down(begin);
    return entry;
  }
  const auto value = static_cast<image::Value>(begin / image::kValueUnit);
  entry = value;
  if (++count_ > table_.size() / 2) widen();
  return value;
}

image::Value ValuePool::join(std::span<const image::Value> values) {
  std::array<std::string, image::kMaxRoutes> texts;  // copies: add() may move what they are in
  std::array<std::string_view, image::kMaxRoutes> views;
  for (std::size_t i = 0; i < values.size(); ++i) views[i] = texts[i] = view().text(values[i]);
  return add(std::span(views).first(values.size()));
}

std::uint32_t& ValuePool::entry_of(std::size_t begin, std::size_t length) noexcept {
  const std::span<const std::byte> own = bytes_.bytes().subspan(begin, length);
  const auto hash = static_cast<std::uint32_t>(image::checksum(own));
  const std::size_t mask = table_.size() - 1;
  for (std::size_t at = hash & mask;; at = (at + 1) & mask) {
    const std::size_t other = std::size_t{table_[at]} * image::kValueUnit;
    if (table_[at] == image::kNoValue) {
      hashes_[at] = hash;
      return table_[at];
    }
    // Padding is zero, and a value's length is in its first bytes: so equal bytes are equal values.
    if (hashes_[at] == hash && other + length <= begin &&
        std::memcmp(bytes_.bytes().data() + other, own.data(), length) == 0)
      return table_[at];
  }
}

void ValuePool::widen() {
  GrowingArray<std::uint32_t> table, hashes;
  table.grow(2 * table_.size());
  hashes.grow(2 * hashes_.size());
  const std::size_t mask = table.size() - 1;
  for (std::size_t i = 0; i < table_.size(); ++i) {
    if (table_[i] == image::kNoValue) continue;
    std::size_t at = hashes_[i] & mask;
    while (table[at] != image::kNoValue) at = (at + 1) & mask;
    table[at] = table_[i];
    hashes[at] = hashes_[i];
  }
  table_.swap(table);
  hashes_.swap(hashes);
}

}  // namespace cpss
