#include "tools/udpblast/difference.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace cpss::udpblast {

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kMax = 300;
  std::string result = "\"";
  for (const char c : text.substr(0, kMax)) {
    if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
      result.push_back(c);
    else
      fmt::format_to(std::back_inserter(result), "\\x{:02x}", static_cast<unsigned char>(c));
  }
  return result + (text.size() > kMax ? "\"..." : "\"");
}

std::optional<std::string> first_difference(std::span<const std::byte> expected,
                                            std::span<const std::byte> got) {
  const auto [left, right] = std::ranges::mismatch(expected, got);
  if (left != expected.end() && right != got.end())
    return fmt::format("byte {} is 0x{:02x} instead of 0x{:02x}", left - expected.begin(),
                       std::to_integer<unsigned>(*right), std::to_integer<unsigned>(*left));
  if (expected.size() != got.size())
    return fmt::format("{} bytes instead of {}", got.size(), expected.size());
  return std::nullopt;
}

}  // namespace cpss::udpblast
