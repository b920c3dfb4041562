#include "services/work_profile.h"

#include <array>
#include <charconv>
#include <cmath>
#include <system_error>
#include <vector>

namespace cpss {
namespace {

constexpr double kMaxUs = 10'000'000;
constexpr double kNsPerUs = 1000;

constexpr std::string_view kFixed = "fixed:";
constexpr std::string_view kExponential = "exp:";
constexpr std::string_view kBimodal = "bimodal:";
constexpr std::string_view kBurn = "burn";
constexpr std::string_view kSleep = "sleep";
constexpr std::string_view kDefer = "defer=";

[[noreturn]] void refuse(const std::string& problem) {
  throw WorkProfileError(
      problem +
      "; allowed: fixed:US, exp:US or bimodal:US,US,SHARE, then ;burn or ;sleep or neither, then "
      ";defer=US or not; US: microseconds, 0 to 10000000; SHARE of the second time: 0 to 1");
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// nullopt if it is no number from 0 to `max`.
std::optional<double> read_number(std::string_view text, double max) {
  // from_chars() takes signs, inf and nan as well.
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number > max) return std::nullopt;
  return number;
}

std::uint64_t read_time_ns(std::string_view text, const char* which) {
  const std::optional<double> us = read_number(text, kMaxUs);
  if (!us) refuse(std::string("has no number of microseconds, 0 to 10000000, as ") + which);
  return static_cast<std::uint64_t>(std::llround(*us * kNsPerUs));
}

template <class... Format>
void append(std::string& text, double number, Format... format) {
  std::array<char, 32> buffer;
  const auto result =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, format...);
  text.append(buffer.data(), result.ptr);
}

void append_us(std::string& text, std::uint64_t time_ns) {
  append(text, static_cast<double>(time_ns) / kNsPerUs, std::chars_format::fixed);
}

// One step of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
// OOPSLA 2014), in the form of Vigna's https://prng.di.unimi.it/splitmix64.c, begun at the key: a
// bijection under which neighbouring keys, and 0, go anywhere.
std::uint64_t scatter(std::uint64_t key) noexcept {
  key += 0x9e3779b97f4a7c15;
  key = (key ^ (key >> 30)) * 0xbf58476d1ce4e5b9;
  key = (key ^ (key >> 27)) * 0x94d049bb133111eb;
  return key ^ (key >> 31);
}

// Uniform over the middles of 2^52 equal parts of 0 to 1, all of which a double holds exactly: so
// never 0, and never 1.
double uniform(std::uint64_t key) noexcept {
  return (static_cast<double>(scatter(key) >> 12) + 0.5) * 0x1p-52;
}

}  // namespace

WorkProfile WorkProfile::parse(std::string_view text) {
  const std::vector<std::string_view> parts = split(text, ';');
  WorkProfile profile;
  profile.read_shape(parts[0]);
  std::size_t next = 1;
  if (next < parts.size() && (parts[next] == kBurn || parts[next] == kSleep))
    profile.sleeps_ = parts[next++] == kSleep;
  if (next < parts.size() && parts[next].starts_with(kDefer))
    profile.defer_ns_ = read_time_ns(parts[next++].substr(kDefer.size()), "time behind 'defer='");
  if (next < parts.size())
    refuse("has something that does not belong there as part " + std::to_string(next + 1) +
           " of those between ';'");
  return profile;
}

void WorkProfile::read_shape(std::string_view part) {
  if (part.starts_with(kFixed)) {
    first_ns_ = read_time_ns(part.substr(kFixed.size()), "time behind 'fixed:'");
  } else if (part.starts_with(kExponential)) {
    shape_ = Shape::exponential;
    first_ns_ = read_time_ns(part.substr(kExponential.size()), "mean behind 'exp:'");
  } else if (part.starts_with(kBimodal)) {
    shape_ = Shape::bimodal;
    const std::vector<std::string_view> values = split(part.substr(kBimodal.size()), ',');
    if (values.size() != 3) refuse("has not two times and a share behind 'bimodal:'");
    first_ns_ = read_time_ns(values[0], "first time behind 'bimodal:'");
    second_ns_ = read_time_ns(values[1], "second time behind 'bimodal:'");
    const std::optional<double> share = read_number(values[2], 1);
    if (!share) refuse("has no number from 0 to 1 as share behind 'bimodal:'");
    share_ = *share;
  } else {
    refuse("does not begin with 'fixed:', 'exp:' or 'bimodal:'");
  }
}

std::uint64_t WorkProfile::key_of(std::span<const std::byte> payload) noexcept {
  std::uint64_t key = 0;
  for (const std::byte byte : payload.subspan<8, 8>())
    key = key << 8 | std::to_integer<std::uint64_t>(byte);
  return key;
}

std::uint64_t WorkProfile::time_ns(std::uint64_t key) const noexcept {
  switch (shape_) {
    case Shape::fixed:
      break;
    case Shape::exponential:
      return static_cast<std::uint64_t>(
          std::llround(-static_cast<double>(first_ns_) * std::log(uniform(key))));
    case Shape::bimodal:
      return is_long(key) ? second_ns_ : first_ns_;
  }
  return first_ns_;
}

bool WorkProfile::is_long(std::uint64_t key) const noexcept {
  return shape_ == Shape::bimodal && uniform(key) < share_;
}

std::string WorkProfile::text() const {
  std::string text;
  switch (shape_) {
    case Shape::fixed:
      text += kFixed;
      append_us(text, first_ns_);
      break;
    case Shape::exponential:
      text += kExponential;
      append_us(text, first_ns_);
      break;
    case Shape::bimodal:
      text += kBimodal;
      append_us(text, first_ns_);
      text += ',';
      append_us(text, second_ns_);
      text += ',';
      append(text, share_);
      break;
  }
  text += ';';
  text += sleeps_ ? kSleep : kBurn;
  if (defer_ns_) {
    text += ';';
    text += kDefer;
    append_us(text, *defer_ns_);
  }
  return text;
}

}  // namespace cpss
