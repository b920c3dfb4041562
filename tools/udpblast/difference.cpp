#include "tools/udpblast/difference.h"

#include <algorithm>

#include <fmt/format.h>

namespace cpss::udpblast {

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
