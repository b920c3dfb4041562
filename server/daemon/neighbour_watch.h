// Keeps the map of which peers can be reached (net/reach_map.h) up to date for the lanes, while
// they need it: at most ten looks a second into the kernel's neighbour tables.
//
// A thread of its own makes the looks (server/daemon/background_reading.h).
//
// Main thread. Processes that were forked after a look have the map, not the thread.
#pragma once

#include <chrono>
#include <cstdint>

#include "net/neighbours.h"
#include "net/reach_map.h"
#include "server/daemon/background_reading.h"

namespace cpss {

class NeighbourWatch {
 public:
  explicit NeighbourWatch(ReachMap& map);

  // To be called several times a second while lanes need the map: publishes the result of the last
  // look, and starts the next one. Never waits. If looks are not possible the map stays as it is,
  // and the log says so once.
  void look();
  // Publishes the result of the last look, if it is there. True: a look is still under way, so the
  // caller should ask again soon.
  bool collect();

  // Looks published so far.
  std::uint64_t looks() const noexcept { return looks_; }

 private:
  void publish();
  void complain(int error, const char* what);

  ReachMap& map_;
  BackgroundReading<Neighbours> reading_;
  bool complained_ = false;
  std::uint64_t looks_ = 0;
  std::chrono::steady_clock::time_point last_begun_{};
};

}  // namespace cpss
