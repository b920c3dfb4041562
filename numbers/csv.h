// The fields of one line of comma-separated values (RFC 4180), or of values that another character
// separates.
//
// Two differences: a quoted field ends on its line, since no value of ours may hold a line break;
// so one bad quote spoils one line and not the rest of the file. And blanks around a field (spaces,
// and tabs unless tabs separate) do not belong to it, unless they are within its quotes.
//
// Not for several threads at once.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace cpss {

class CsvLine {
 public:
  // `line` without its line end; `separator` is neither a space nor a quote. False if the quoting
  // is wrong, see problem(). A line always has at least one field.
  bool split(std::string_view line, char separator = ',');

  // Valid until the next split() and as long as the line's memory.
  const std::vector<std::string_view>& fields() const noexcept { return fields_; }
  std::string_view problem() const noexcept { return problem_; }

 private:
  bool take_plain(std::string_view& rest);
  bool take_quoted(std::string_view& rest);
  // `text` without the blanks at its beginning.
  std::string_view without_blanks(std::string_view text) const noexcept;

  std::vector<std::string_view> fields_;
  std::deque<std::string> unquoted_;  // fields whose doubled quotes were made single
  std::string_view problem_;
  char separator_ = ',';
};

}  // namespace cpss
