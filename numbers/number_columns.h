// The columns of number data: their names, from the first line or from options, and what they are
// for.
//
// For set-up; one thread per object.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "numbers/csv.h"
#include "numbers/problems.h"

namespace cpss {

// How the data are written, as far as they do not say so themselves.
struct NumberFormat {
  std::optional<char> separator;  // none: `,`, `;` or a tab, which the first line shows
  bool header = true;             // the first line names the columns
  // Our name of a column, and what the data call it: its name, or, without a header, its number,
  // from 1. Columns that are not named here keep their names; without a header they are left out.
  std::vector<std::pair<std::string, std::string>> names;
  // Columns that keep these names and this order, however the data spell and order them; other
  // ones come behind them.
  std::vector<std::string> known;
  // A column `change` says of each row whether it is to be set or removed; which other columns
  // there are, and whether a removed row has any value, does not matter.
  bool changes = false;
};

class NumberColumns {
 public:
  static constexpr std::string_view kPrefix = "prefix";
  static constexpr std::string_view kPriority = "priority";
  static constexpr std::string_view kChange = "change";

  explicit NumberColumns(const NumberFormat& format) : format_(format) {}

  // Takes the first line, whether or not it is a header. What is wrong goes to `problems`.
  void begin(std::string_view first_line, CsvLine& fields, Problems& problems);

  char separator() const noexcept { return separator_; }
  // Fields that each line has.
  std::size_t fields() const noexcept { return names_.size(); }
  // The name of a field; empty: it is left out.
  const std::string& name(std::size_t field) const noexcept { return names_[field]; }
  std::size_t prefix() const noexcept { return prefix_; }
  std::optional<std::size_t> priority() const noexcept { return priority_; }
  std::optional<std::size_t> change() const noexcept { return change_; }
  // The fields in the order in which rows say them.
  const std::vector<std::size_t>& order() const noexcept { return order_; }
  // Those that rows say something of, in order: neither those that are left out, nor `change`.
  std::vector<std::string> names() const;

 private:
  void take_known_ones();
  void find_separator(std::string_view line, CsvLine& fields);
  void check_names(Problems& problems) const;

  const NumberFormat& format_;
  char separator_ = ',';
  std::vector<std::string> names_;
  std::vector<std::size_t> order_;
  std::size_t prefix_ = 0;
  std::optional<std::size_t> priority_;
  std::optional<std::size_t> change_;
};

// Whether two names are of one column: upper and lower case count as the same.
bool is_same_column(std::string_view a, std::string_view b) noexcept;
// The first character that would break the `column=value;column=value` of a reply, or a log line.
std::optional<char> forbidden_in(std::string_view text) noexcept;
// Such a character, for a message.
std::string name_of_forbidden(char forbidden);
// The first names, quoted.
std::string list_of_names(const std::vector<std::string>& names);

}  // namespace cpss
