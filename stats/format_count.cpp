#include "stats/format_count.h"

#include <array>

#include <fmt/format.h>

namespace cpss {

std::string format_count(std::uint64_t value) {
  std::string text = std::to_string(value);
  for (std::size_t from_end = 3; from_end < text.size(); from_end += 4)
    text.insert(text.size() - from_end, 1, ',');
  return text;
}

std::string format_signed_count(std::int64_t value) {
  // Unsigned negation is right for the minimum too, whose magnitude no int64_t holds.
  const auto bits = static_cast<std::uint64_t>(value);
  return value < 0 ? "-" + format_count(0 - bits) : format_count(bits);
}

std::string format_bytes(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} bytes", bytes);
  constexpr std::array kUnits = {"KiB", "MiB", "GiB"};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

}  // namespace cpss
