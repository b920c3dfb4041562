// Keeps what lanes know of the reach of peers (net/reach_map.h) up to date while it is needed: at
// most ten looks a second into the kernel's neighbour tables.
//
// The looks are made by a thread of its own (server/daemon/background_reading.h).
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

  // Several times a second while it is needed: publishes what the last look has found, and has the
  // next one made. Never waits. Where looks are not possible the map stays as it is, and the log
  // says so once.
  void look();
  // Publishes what the last look has found, if it is there; true: it is still being made, and worth
  // being asked for again soon.
  bool collect();

  // Looks that were published so far.
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
