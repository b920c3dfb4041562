#include "numbers/e164.h"

namespace cpss {

std::optional<E164> E164::parse_digits(std::string_view text) noexcept {
  if (text.empty() || text.size() > kMaxDigits) return std::nullopt;
  std::uint64_t packed = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    packed = packed << 4 | static_cast<std::uint64_t>(c - '0' + 1);
  }
  return E164(packed << 4 * (16 - text.size()));
}

std::optional<E164> E164::parse_number(std::string_view text) noexcept {
  if (text.starts_with('+')) text.remove_prefix(1);
  return parse_digits(text);
}

std::string E164::to_string() const {
  std::string text;
  for (std::uint64_t rest = packed_; rest != 0; rest <<= 4)
    text.push_back(static_cast<char>('0' + (rest >> 60) - 1));
  return text;
}

}  // namespace cpss
