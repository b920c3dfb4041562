#include "services/csv.h"

#include <algorithm>

namespace cpss {

bool CsvLine::split(std::string_view line) {
  fields_.clear();
  unquoted_.clear();
  for (;;) {
    const bool taken = line.starts_with('"') ? take_quoted(line) : take_plain(line);
    if (!taken) return false;
    if (line.empty()) return true;
    line.remove_prefix(1);  // the comma: what is behind it is a field, even if empty
  }
}

bool CsvLine::take_plain(std::string_view& rest) {
  const std::string_view field = rest.substr(0, rest.find(','));
  if (field.find('"') != std::string_view::npos) {
    problem_ = "a quote inside a field that does not begin with one";
    return false;
  }
  fields_.push_back(field);
  rest.remove_prefix(field.size());
  return true;
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
  rest.remove_prefix(end + 1);
  if (!rest.empty() && rest.front() != ',') {
    problem_ = "something between a closing quote and the next comma";
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
