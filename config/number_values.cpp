#include "config/number_values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <limits>
#include <ranges>
#include <system_error>

#include <fmt/format.h>

namespace cpss {
namespace {

constexpr std::string_view kOutOfRange = "is out of range";

// Takes the digits from the beginning of `text`. Returns their number; nothing if there are none;
// the largest number if they stand for more.
std::optional<std::uint64_t> take_digits(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::invalid_argument) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (error == std::errc::result_out_of_range) return std::numeric_limits<std::uint64_t>::max();
  return number;
}

bool within(std::uint64_t number, SettingRange range) {
  return range.min <= number && number <= range.max;
}

struct Suffix {
  std::string_view text;
  std::uint64_t factor;
};
// The first kSuffixesWritten are also written; less than a MiB is clearer as a number.
constexpr auto kSuffixes = std::to_array<Suffix>({
    {"GiB", kGiB},
    {"MiB", kMiB},
    {"KiB", kKiB},
    {"G", kGiB},
    {"M", kMiB},
    {"K", kKiB},
    {"k", kKiB},
});
constexpr std::size_t kSuffixesWritten = 2;

}  // namespace

Complaint read_count(std::string_view text, SettingRange range, unsigned& out) {
  const std::optional<std::uint64_t> number = take_digits(text);
  if (!number || !text.empty()) return "is not a whole number";
  if (!within(*number, range)) return std::string(kOutOfRange);
  out = static_cast<unsigned>(*number);
  return {};
}

Complaint read_bytes(std::string_view text, SettingRange range, std::size_t& out) {
  const std::optional<std::uint64_t> number = take_digits(text);
  if (!number) return "is not a number of bytes";
  if (text.starts_with(' ')) text.remove_prefix(1);
  std::uint64_t factor = 1;
  if (!text.empty()) {
    const auto suffix = std::ranges::find(kSuffixes, text, &Suffix::text);
    if (suffix == kSuffixes.end()) return "is not a number of bytes";
    factor = suffix->factor;
  }
  if (*number > range.max / factor || !within(*number * factor, range))
    return std::string(kOutOfRange);
  out = *number * factor;
  return {};
}

std::string bytes_text(std::size_t bytes) {
  for (const Suffix& suffix : kSuffixes | std::views::take(kSuffixesWritten))
    if (bytes >= suffix.factor && bytes % suffix.factor == 0)
      return fmt::format("{}{}", bytes / suffix.factor, suffix.text);
  return fmt::format("{}", bytes);
}

Complaint read_seconds(std::string_view text, SettingRange range, std::chrono::nanoseconds& out) {
  constexpr std::size_t kMaxFractionDigits = 9;
  constexpr std::string_view kNotSeconds = "is not a number of seconds";
  const std::optional<std::uint64_t> whole = take_digits(text);
  if (!whole) return std::string(kNotSeconds);

  std::uint64_t fraction_ns = 0;
  if (!text.empty()) {
    if (text.front() != '.') return std::string(kNotSeconds);
    text.remove_prefix(1);
    const std::size_t digits = text.size();
    const std::optional<std::uint64_t> fraction = take_digits(text);
    if (!fraction || !text.empty()) return std::string(kNotSeconds);
    if (digits > kMaxFractionDigits) return "is finer than a nanosecond";
    fraction_ns = *fraction;
    for (std::size_t i = digits; i < kMaxFractionDigits; ++i) fraction_ns *= 10;
  }
  if (!within(*whole, range) || (*whole == range.max && fraction_ns > 0))
    return std::string(kOutOfRange);
  out = std::chrono::seconds(*whole) +
        std::chrono::nanoseconds(static_cast<std::int64_t>(fraction_ns));
  return {};
}

std::string seconds_text(std::chrono::nanoseconds duration) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(duration);
  std::string text = fmt::format("{}.{:09}", whole.count(), (duration - whole).count());
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

bool is_printable(std::string_view text) {
  return std::ranges::none_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < ' ' || byte == 0x7f;
  });
}

}  // namespace cpss
