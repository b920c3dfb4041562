#include "numbers/problems.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "numbers/byte_source.h"

namespace cpss {

void Problems::add(std::size_t line, std::string text) {
  ++count_;
  if (shown_.size() == kMaxShown && line >= shown_.back().line) return;
  if (shown_.size() == kMaxShown) shown_.pop_back();
  const auto place = std::ranges::upper_bound(shown_, line, {}, &Problem::line);
  shown_.insert(place, {line, std::move(text)});
}

void Problems::throw_if_any(std::string_view source) const {
  if (count_ == 0) return;
  std::string text;
  for (const Problem& problem : shown_)
    text += fmt::format("{}:{}: {}\n", source, problem.line, problem.text);
  if (count_ > shown_.size())
    text += fmt::format("{}: {} more problems\n", source, count_ - shown_.size());
  throw NumberDataError(text +
                        fmt::format("{}: nothing was loaded; correct what is named above", source));
}

}  // namespace cpss
