// Why a server can not have a stats region.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace cpss {

// what() says what was wrong, with which path, and what to do.
class StatsRegionError : public std::runtime_error {
 public:
  StatsRegionError(const std::string& what, int code) : std::runtime_error(what), code_(code) {}

  // An errno: EBUSY where another server holds the region, ENOSPC where there is no room, EEXIST
  // where a file that is no stats region is in the way, otherwise what the system call said.
  int code() const noexcept { return code_; }

 private:
  int code_;
};

// What to do where the path is at fault.
inline constexpr std::string_view kChooseWritablePath =
    "choose a path in a folder that exists and that the server may write (CPSS_STATS_FILE)";

// `who` has it: "process 42". `although`: what speaks against that, ", although ...".
StatsRegionError held_by_another_server(const std::string& region, std::string_view who,
                                        std::string_view although = {});

// What to do about a system call on the region's files that failed with `code`: raise the limit
// that was met, where it was one, else `otherwise`.
std::string region_advice(int code, std::string_view otherwise);

}  // namespace cpss
