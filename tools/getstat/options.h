// getstat's command line and environment.
#pragma once

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>

namespace cpss::getstat {

struct Options {
  std::string file;                                // path of the stats region
  std::optional<std::chrono::milliseconds> watch;  // refresh this often
  bool verify = false;
  bool json = false;
  bool help = false;
  bool version = false;
};

// what() is one line: what was wrong and what is allowed.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The file is --file, else CPSS_STATS_FILE unless that is unset or empty, else the default place.
// Throws UsageError.
Options parse_options(int argc, const char* const* argv);

std::string help_text();
std::string version_text();

}  // namespace cpss::getstat
