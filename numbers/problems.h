// What is wrong with number data: the first problems in full, by line, and how many more there are.
//
// For set-up; one thread per object.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace cpss {

class Problems {
 public:
  void add(std::size_t line, std::string text);
  // Throws NumberDataError if there are any. `source` names the data.
  void throw_if_any(std::string_view source) const;

 private:
  static constexpr std::size_t kMaxShown = 20;
  struct Problem {
    std::size_t line;
    std::string text;
  };
  std::vector<Problem> shown_;  // those of the first lines, in order
  std::size_t count_ = 0;
};

}  // namespace cpss
