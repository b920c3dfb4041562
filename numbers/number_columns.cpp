#include "numbers/number_columns.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <numeric>

#include <fmt/format.h>

#include "base/quote.h"

namespace cpss {
namespace {

constexpr std::array<char, 3> kSeparators = {',', ';', '\t'};

constexpr std::array<bool, 256> kForbidden = [] {
  std::array<bool, 256> forbidden{};
  for (std::size_t c = 0; c < 0x20; ++c) forbidden[c] = true;
  forbidden[0x7f] = forbidden[';'] = forbidden['='] = true;
  return forbidden;
}();

std::optional<std::size_t> place_of(std::string_view name, const std::vector<std::string>& among) {
  const auto found = std::ranges::find_if(
      among, [name](const auto& other) { return is_same_column(other, name); });
  if (found == among.end()) return std::nullopt;
  return static_cast<std::size_t>(found - among.begin());
}

}  // namespace

void NumberColumns::begin(std::string_view first_line, CsvLine& fields, Problems& problems) {
  separator_ = format_.separator.value_or(kSeparators[0]);
  if (!format_.separator) find_separator(first_line, fields);
  if (!fields.split(first_line, separator_)) {
    problems.add(1, std::string(fields.problem()));
    return;
  }
  const std::vector<std::string> written(fields.fields().begin(), fields.fields().end());
  names_ = format_.header ? written : std::vector<std::string>(written.size());
  for (const auto& [ours, theirs] : format_.names) {
    std::size_t field = 0;
    if (format_.header) {
      const auto found = place_of(theirs, written);
      if (!found) {
        problems.add(1, fmt::format("no column {}, which is to be {}, among those that the first "
                                    "line names: {}",
                                    in_quotes(theirs), in_quotes(ours), list_of_names(written)));
        continue;
      }
      field = *found;
    } else {
      const auto [end, error] =
          std::from_chars(theirs.data(), theirs.data() + theirs.size(), field);
      if (error != std::errc() || end != theirs.data() + theirs.size() || field == 0 ||
          field > names_.size()) {
        problems.add(1, fmt::format("there is no column {}, which is to be {}: the first line has "
                                    "{}",
                                    in_quotes(theirs), in_quotes(ours), names_.size()));
        continue;
      }
      --field;
    }
    names_[field] = ours;
  }
  take_known_ones();
  check_names(problems);
  if (const auto prefix = place_of(kPrefix, names_))
    prefix_ = *prefix;
  else
    problems.add(1, fmt::format("no column 'prefix' among those that the first line names: {}",
                                list_of_names(names_)));
  priority_ = place_of(kPriority, names_);
  if (!format_.changes) return;
  change_ = place_of(kChange, names_);
  if (!change_)
    problems.add(1,
                 fmt::format("no column 'change', which says 'set' or 'remove', among those that "
                             "the first line names: {}",
                             list_of_names(names_)));
}

void NumberColumns::take_known_ones() {
  std::vector<std::size_t> places;  // of each field, among the known ones
  for (std::string& name : names_) {
    const auto place = place_of(name, format_.known);
    if (place) name = format_.known[*place];
    places.push_back(place.value_or(format_.known.size()));
  }
  order_.resize(names_.size());
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  std::ranges::stable_sort(order_, {}, [&](std::size_t field) { return places[field]; });
}

// The separator at which the line has a column `prefix`; if there is none, the one that yields the
// most names.
void NumberColumns::find_separator(std::string_view line, CsvLine& fields) {
  const auto is_prefix = [this](std::string_view name) {
    return is_same_column(name, kPrefix) ||
           std::ranges::any_of(format_.names, [name](const auto& pair) {
             return pair.first == kPrefix && is_same_column(pair.second, name);
           });
  };
  std::size_t max = 0;
  for (const char separator : kSeparators) {
    if (!fields.split(line, separator)) continue;
    const std::size_t names =
        std::ranges::any_of(fields.fields(), is_prefix) ? SIZE_MAX : fields.fields().size();
    if (names > max) separator_ = separator;
    max = std::max(max, names);
  }
}

void NumberColumns::check_names(Problems& problems) const {
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const std::string& name = names_[i];
    if (name.empty()) {
      if (format_.header) problems.add(1, fmt::format("column {} has no name", i + 1));
    } else if (const auto bad = forbidden_in(name)) {
      problems.add(
          1, fmt::format("column name {} holds {}", in_quotes(name), name_of_forbidden(*bad)));
    } else if (std::any_of(names_.begin(), names_.begin() + static_cast<std::ptrdiff_t>(i),
                           [&](const std::string& other) { return is_same_column(other, name); })) {
      problems.add(1, fmt::format("column {} is named twice", in_quotes(name)));
    }
  }
}

std::vector<std::string> NumberColumns::names() const {
  std::vector<std::string> kept;
  for (const std::size_t i : order_)
    if (!names_[i].empty() && change_ != i) kept.push_back(names_[i]);
  return kept;
}

bool is_same_column(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::optional<char> forbidden_in(std::string_view text) noexcept {
  const auto found =
      std::ranges::find_if(text, [](char c) { return kForbidden[static_cast<unsigned char>(c)]; });
  return found == text.end() ? std::nullopt : std::optional(*found);
}

std::string name_of_forbidden(char forbidden) {
  if (forbidden == ';' || forbidden == '=') return fmt::format("'{}'", forbidden);
  return fmt::format("control character 0x{:02x}", static_cast<unsigned char>(forbidden));
}

std::string list_of_names(const std::vector<std::string>& names) {
  constexpr std::size_t kMax = 10;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kMax); ++i)
    text += (i == 0 ? "" : ", ") + in_quotes(names[i]);
  if (names.size() > kMax) text += fmt::format(" and {} more", names.size() - kMax);
  return text;
}

}  // namespace cpss
