// What rows that were seen before say, by their bytes: of ten million rows only some thousands are
// different, apart from their numbers, so most need not be taken apart.
//
// One thread per object.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "numbers/image.h"

namespace cpss {

class RawCache {
 public:
  struct Meaning {
    image::Value value = image::kNoValue;
    std::uint8_t priority = 0;
  };

  RawCache() : entries_(kEntries) { texts_.reserve(kMaxTexts); }

  // Null: not seen, or forgotten.
  const Meaning* find(std::string_view raw) noexcept {
    hash_ = image::checksum(std::as_bytes(std::span(raw)));
    for (std::size_t at = hash_ % kEntries; entries_[at].length != 0; at = (at + 1) % kEntries) {
      const Entry& entry = entries_[at];
      if (entry.hash == hash_ && entry.length == raw.size() + 1 &&
          std::memcmp(texts_.data() + entry.text, raw.data(), raw.size()) == 0)
        return &entry.meaning;
    }
    return nullptr;
  }
  // Of the text that find() has not found just now.
  void add(std::string_view raw, Meaning meaning) {
    if (++count_ > kEntries / 2 || texts_.size() + raw.size() > kMaxTexts) forget();
    std::size_t at = hash_ % kEntries;
    while (entries_[at].length != 0) at = (at + 1) % kEntries;
    entries_[at] = {hash_, static_cast<std::uint32_t>(texts_.size()),
                    static_cast<std::uint32_t>(raw.size() + 1), meaning};
    texts_ += raw;
  }

 private:
  static constexpr std::size_t kEntries = std::size_t{1} << 17;
  static constexpr std::size_t kMaxTexts = 16 << 20;  // bytes

  struct Entry {
    std::uint64_t hash = 0;
    std::uint32_t text = 0;    // place in texts_
    std::uint32_t length = 0;  // of the text, and one more; 0: empty
    Meaning meaning;
  };

  // Where most rows differ, begins anew.
  void forget() {
    entries_.assign(kEntries, {});
    texts_.clear();
    count_ = 1;
  }

  std::vector<Entry> entries_;
  std::string texts_;
  std::size_t count_ = 0;
  std::uint64_t hash_ = 0;
};

}  // namespace cpss
