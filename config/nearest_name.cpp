#include "config/nearest_name.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

namespace cpss {
namespace {

constexpr std::size_t kLongest = 64;  // no name of ours is longer; bounds the work
constexpr std::size_t kMaxSuggestions = 3;
constexpr std::size_t kShortestBeginning = 3;

std::string folded(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '-') c = '_';
  }
  return out;
}

// Single-letter edits between a and b, a swap of neighbours being one ("optimal string alignment").
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = a[i - 1] == b[j - 1];
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::vector<std::string> nearest_names(std::string_view unknown, std::span<const KnownName> known) {
  if (unknown.empty() || unknown.size() > kLongest) return {};
  const std::string wanted = folded(unknown);
  std::size_t nearest = std::max<std::size_t>(1, wanted.size() / 3);
  std::vector<std::string> names;
  for (const KnownName& candidate : known) {
    const std::string alias = folded(candidate.alias);
    std::size_t d = distance(wanted, alias);
    if (wanted.size() >= kShortestBeginning && alias.starts_with(wanted))
      d = std::min<std::size_t>(d, 1);
    if (d > nearest) continue;
    if (d < nearest) names.clear();
    nearest = d;
    if (std::ranges::find(names, candidate.name) == names.end()) names.push_back(candidate.name);
  }
  names.resize(std::min(names.size(), kMaxSuggestions));
  return names;
}

std::string did_you_mean(const std::vector<std::string>& names, std::string_view decoration) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += fmt::format("{}{}", decoration, names[i]);
  }
  return text.empty() ? text : fmt::format("; did you mean {}?", text);
}

}  // namespace cpss
