#include "tools/udpblast/option_values.h"

#include <charconv>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "tools/udpblast/send_schedule.h"

namespace cpss::udpblast {
namespace {

constexpr double kLongestS = 365.0 * 24 * 3600;

// Digits with at most one point; no sign, no exponent, no "inf".
std::optional<double> parse_decimal(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789.") != std::string_view::npos)
    return std::nullopt;
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::uint64_t parse_whole(std::string_view text, std::uint64_t min, std::uint64_t max) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < min || value > max)
    throw BadValue(fmt::format("must be a whole number from {} to {}", min, max));
  return value;
}

std::uint64_t parse_seconds_ns(std::string_view text) {
  const std::optional<double> seconds = parse_decimal(text);
  const double ns = seconds.value_or(0) * 1e9;
  if (!seconds || ns < 1 || *seconds > kLongestS)
    throw BadValue("must be seconds, for example 5 or 0.25, more than 0 and at most a year");
  return static_cast<std::uint64_t>(std::llround(ns));
}

double parse_share(std::string_view text) {
  const bool percent = text.ends_with('%');
  if (percent) text.remove_suffix(1);
  const std::optional<double> value = parse_decimal(text);
  const double share = value.value_or(-1) / (percent ? 100 : 1);
  if (!value || share > 1)
    throw BadValue("must be a ratio from 0 to 1 (0.001) or a percentage (0.1%)");
  return share;
}

Burst parse_burst(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::optional<double> gap_ms =
      slash == std::string_view::npos ? std::nullopt : parse_decimal(text.substr(slash + 1));
  if (!gap_ms || *gap_ms < kShortestGapMs || *gap_ms > kLongestGapMs)
    throw BadValue(fmt::format(
        "must be N/GAP_MS, for example 64/10: messages at once, and the milliseconds from one time "
        "to the next, {:g} to {:.0f}",
        kShortestGapMs, kLongestGapMs));
  return {parse_whole(text.substr(0, slash), 1, kLargestBurst),
          static_cast<std::uint64_t>(std::llround(*gap_ms * 1e6))};
}

}  // namespace cpss::udpblast
