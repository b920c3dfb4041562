#include "tools/numbers/csv_writer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "numbers/number_columns.h"

namespace cpss::numbers_tool {
namespace {

constexpr std::size_t kLong = 1 << 16;  // bytes that are written at once

std::size_t prefix_among(const std::vector<std::string>& columns) {
  const auto prefix = std::ranges::find_if(columns, [](const std::string& column) {
    return is_same_column(column, NumberColumns::kPrefix);
  });
  return static_cast<std::size_t>(prefix - columns.begin());
}

}  // namespace

CsvWriter::CsvWriter(std::vector<std::string> columns, bool changes,
                     std::function<void(std::string_view)> write)
    : columns_(std::move(columns)),
      prefix_(prefix_among(columns_)),
      changes_(changes),
      write_(std::move(write)) {
  if (changes_) lines_ = "change,";
  for (const std::string& column : columns_) {
    field(column);
    lines_ += ',';
  }
  lines_.back() = '\n';
}

void CsvWriter::row(E164 prefix, const Values& values, image::Value value) {
  std::array<std::string_view, image::kMaxRoutes> texts;
  for (const std::string_view text : values.texts(value, texts)) line(prefix, "set", text);
}

void CsvWriter::removed(E164 prefix) {
  line(prefix, "remove", {});
}

void CsvWriter::end() {
  write_(std::exchange(lines_, {}));
}

// `text`: `;column=value` for each column that has one.
void CsvWriter::line(E164 prefix, std::string_view change, std::string_view text) {
  fields_.assign(columns_.size(), {});
  while (!text.empty()) {
    text.remove_prefix(1);
    const std::size_t equals = text.find('=');
    const std::size_t end = std::min(text.find(';', equals), text.size());
    const auto column = std::ranges::find(columns_, text.substr(0, equals));
    if (column != columns_.end())
      fields_[static_cast<std::size_t>(column - columns_.begin())] =
          text.substr(equals + 1, end - equals - 1);
    text.remove_prefix(end);
  }
  const std::string digits = prefix.to_string();
  fields_[prefix_] = digits;
  if (changes_) lines_.append(change).append(1, ',');
  for (const std::string_view each : fields_) {
    field(each);
    lines_ += ',';
  }
  lines_.back() = '\n';
  if (lines_.size() >= kLong) end();
}

void CsvWriter::field(std::string_view text) {
  const bool plain = text.find_first_of(",\"") == std::string_view::npos &&
                     (text.empty() || (text.front() != ' ' && text.back() != ' '));
  if (plain) {
    lines_ += text;
    return;
  }
  lines_ += '"';
  for (const char c : text) lines_.append(c == '"' ? 2 : 1, c);
  lines_ += '"';
}

}  // namespace cpss::numbers_tool
