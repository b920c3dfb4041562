// The state of a server, judged by its region, its lock and its process.
//
// No sign alone is enough: a pid means nothing in another PID namespace (a container's server seen
// from the host), a stopped process gives no heartbeat, and a process killed just now has given one
// a moment ago.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "stats/process_identity.h"

namespace cpss {

enum class RegionState : std::uint8_t {
  missing,       // no file
  starting,      // made, the server not yet ready to receive
  live,          // the server runs
  hung,          // the server runs, but its main thread gave no sign of life for kHungAfterNs
  stopped,       // clean end
  stale,         // the server is gone without a clean end: its last values
  incompatible,  // the file is not a region this build can read
};
std::string_view name_of(RegionState state);

// starting, live or hung.
bool has_server(RegionState state) noexcept;

// The main thread's heartbeat comes at least once a second, and usually every 100 ms.
inline constexpr std::uint64_t kHungAfterNs = 3'000'000'000;

// Whether a server has its lock on the region's file (stats/region_lock.h).
enum class RegionLock : std::uint8_t {
  held,  // by the server, or by a process it started that outlives it for a moment
  free,  // no process has this very file: its server is gone, or the file is a copy
  unknown,
};

struct SignsOfLife {
  bool ready = false;            // the server has been ready
  std::uint64_t silence_ns = 0;  // since the last heartbeat
  RegionLock lock = RegionLock::unknown;
  Running process = Running::unknown;
};

// Judges a server that has left no clean-end mark: starting, live, hung or stale.
RegionState judge(const SignsOfLife& signs) noexcept;

}  // namespace cpss
