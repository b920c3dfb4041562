// Rows of an image as CSV that loads as the same rows.
//
// One thread.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "numbers/e164.h"
#include "numbers/values.h"

namespace cpss::numbers_tool {

class CsvWriter {
 public:
  // `columns`: with that of the prefix. `changes`: a column `change` comes first. `write` gets the
  // lines, many at a time.
  CsvWriter(std::vector<std::string> columns, bool changes,
            std::function<void(std::string_view)> write);

  // One line for each route.
  void row(E164 prefix, const Values& values, image::Value value);
  // Of changes: the prefix is removed.
  void removed(E164 prefix);
  void end();

 private:
  void line(E164 prefix, std::string_view change, std::string_view text);
  void field(std::string_view text);

  const std::vector<std::string> columns_;
  const std::size_t prefix_;
  const bool changes_;
  const std::function<void(std::string_view)> write_;
  std::vector<std::string_view> fields_;  // by column, of the line being made
  std::string lines_;
};

}  // namespace cpss::numbers_tool
