// Rows of text in aligned columns: the first column is aligned left, the others right.
#pragma once

#include <string>
#include <vector>

namespace cpss::getstat {

class Grid {
 public:
  explicit Grid(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  // As many cells as the header has.
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string to_string() const;  // lines ended by '\n', none with blanks at its end

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace cpss::getstat
