// Why a server cannot have a stats region.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace cpss {

// what() says what was wrong, with which path, and what to do.
class StatsRegionError : public std::runtime_error {
 public:
  StatsRegionError(const std::string& what, int code) : std::runtime_error(what), code_(code) {}

  // An errno: EBUSY if another server holds the region, ENOSPC if there is no room, EEXIST if a
  // file that is no stats region is in the way, otherwise the system call's.
  int code() const noexcept { return code_; }

 private:
  int code_;
};

// Advice for a path that cannot be used.
inline constexpr std::string_view kChooseWritablePath =
    "choose a path in a folder that exists and that the server may write (CPSS_STATS_FILE)";

// `who` holds the region: "process 42". `although`: a fact against it, ", although ...".
StatsRegionError held_by_another_server(const std::string& region, std::string_view who,
                                        std::string_view although = {});

// Advice for a system call on the region's files that failed with `code`: to raise the limit that
// it met, if it met one, else `otherwise`.
std::string region_advice(int code, std::string_view otherwise);

}  // namespace cpss
