#include "numbers/csv.h"

#include <algorithm>

namespace cpss {

bool CsvLine::split(std::string_view line, char separator) {
  fields_.clear();
  unquoted_.clear();
  separator_ = separator;
  for (;;) {
    line = without_blanks(line);
    const bool taken = line.starts_with('"') ? take_quoted(line) : take_plain(line);
    if (!taken) return false;
    if (line.empty()) return true;
    line.remove_prefix(1);  // the separator: a field follows it, even if an empty one
  }
}

bool CsvLine::take_plain(std::string_view& rest) {
  std::string_view field = rest.substr(0, rest.find(separator_));
  if (field.find('"') != std::string_view::npos) {
    problem_ = "a quote inside a field that does not begin with one";
    return false;
  }
  rest.remove_prefix(field.size());
  while (!field.empty() && without_blanks(field.substr(field.size() - 1)).empty())
    field.remove_suffix(1);
  fields_.push_back(field);
  return true;
}

std::string_view CsvLine::without_blanks(std::string_view text) const noexcept {
  while (text.starts_with(' ') || (text.starts_with('\t') && separator_ != '\t'))
    text.remove_prefix(1);
  return text;
}

bool CsvLine::take_quoted(std::string_view& rest) {
  bool doubled = false;
  std::size_t end = 1;
  for (;; end += 2) {
    end = rest.find('"', end);
    if (end == std::string_view::npos) {
      problem_ = "a quoted field does not end on its line";
      return false;
    }
    if (!rest.substr(end + 1).starts_with('"')) break;
    doubled = true;
  }
  std::string_view field = rest.substr(1, end - 1);
  rest = without_blanks(rest.substr(end + 1));
  if (!rest.empty() && rest.front() != separator_) {
    problem_ = "something between a closing quote and the next separator";
    return false;
  }
  if (doubled) {
    std::string& single = unquoted_.emplace_back(field);
    for (std::size_t at = single.find("\"\""); at != std::string::npos;
         at = single.find("\"\"", at + 1))
      single.erase(at, 1);
    field = single;
  }
  fields_.push_back(field);
  return true;
}

}  // namespace cpss
