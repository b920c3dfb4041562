// What a server is doing, judged by its region and by what else it leaves to see.
//
// Neither sign alone is enough: a pid means nothing in another PID namespace (a container's server
// seen from the host), a heartbeat also stops where a process is stopped, and a process that was
// killed has given one a moment ago.
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
  hung,          // it is there, but its main thread gave no sign of life for kHungAfterNs
  stopped,       // clean end
  stale,         // the server is gone without a clean end: its last values
  incompatible,  // there is something, but not a region this build can read
};
std::string_view name_of(RegionState state);

// starting, live or hung.
bool has_server(RegionState state) noexcept;

// The main thread's heartbeat comes at least once a second, and mostly every 100 ms.
inline constexpr std::uint64_t kHungAfterNs = 3'000'000'000;

// Whether a server has its lock on the region's file (stats/region_lock.h).
enum class RegionLock : std::uint8_t {
  held,  // by the server, or by a process it has started and that outlived it for a moment
  free,  // nobody has this very file: its server is gone, or the file is a copy
  unknown,
};

struct SignsOfLife {
  bool ready = false;            // it was, once
  std::uint64_t silence_ns = 0;  // since the last heartbeat
  RegionLock lock = RegionLock::unknown;
  Running process = Running::unknown;
};

// Of a server that has not ended in good order: starting, live, hung or stale.
RegionState judge(const SignsOfLife& signs) noexcept;

}  // namespace cpss
