// cpss-numbers' command line.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "numbers/number_columns.h"

namespace cpss::numbers_tool {

enum class Command { help, version, build, check, info, show, diff, apply, export_csv };

struct Options {
  Command command = Command::help;
  std::vector<std::string> operands;  // files, then numbers
  std::string output;                 // -o
  std::optional<std::uint64_t> serial;
  NumberFormat format;
  bool allow_empty = false;
  bool json = false;
};

// what() is one line: what was wrong and what is allowed.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Throws UsageError.
Options parse_options(int argc, const char* const* argv);

std::string help_text();
std::string version_text();

}  // namespace cpss::numbers_tool
