#include "tools/getstat/units.h"

#include <array>
#include <cmath>

#include <fmt/format.h>

#include "stats/format_count.h"

namespace cpss::getstat {

std::string format_time(std::uint64_t ns) {
  if (ns < 1000) return fmt::format("{} ns", ns);
  constexpr std::array kUnits = {"us", "ms", "s"};
  double value = static_cast<double>(ns) / 1e3;
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1e3;
    ++unit;
  }
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f} {}", value, decimals, kUnits[unit]);
}

std::string format_share(double ratio) {
  return fmt::format("{:.1f} %", ratio * 100);
}

std::string format_duration(double seconds) {
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::uint64_t>(seconds);
  constexpr std::uint64_t kMinute = 60, kHour = 60 * kMinute, kDay = 24 * kHour;
  if (whole < kHour) return fmt::format("{} min {:02} s", whole / kMinute, whole % kMinute);
  if (whole < kDay) return fmt::format("{} h {:02} min", whole / kHour, whole % kHour / kMinute);
  return fmt::format("{} d {:02} h", whole / kDay, whole % kDay / kHour);
}

std::string format_rate(double events_per_second) {
  if (events_per_second > 0 && events_per_second < 9.95)
    return fmt::format("{:.1f}/s", events_per_second);
  return format_count(static_cast<std::uint64_t>(std::llround(events_per_second))) + "/s";
}

}  // namespace cpss::getstat
