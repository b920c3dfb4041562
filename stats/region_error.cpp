#include "stats/region_error.h"

#include <cerrno>

#include <fmt/format.h>

namespace cpss {

StatsRegionError held_by_another_server(const std::string& region, std::string_view who,
                                        std::string_view although) {
  return {
      fmt::format("stats region {} is held by another server, {}{}: stop that one, or give this "
                  "one a path of its own (CPSS_STATS_FILE)",
                  region, who, although),
      EBUSY};
}

std::string region_advice(int code, std::string_view otherwise) {
  switch (code) {
    case EMFILE:
    case ENFILE:
      return "raise the limit of open files (ulimit -n)";
    case EFBIG:
      return "raise the limit of the size of a file (ulimit -f)";
    default:
      return std::string(otherwise);
  }
}

}  // namespace cpss
