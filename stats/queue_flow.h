// The messages put into and taken from the queues, by the counters of the stages at both ends.
//
//   receive ──► service ──┬────────────────────────► response
//                         └► worker, on_demand ──┘
//
// Pure functions over snapshots; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "stats/snapshot.h"

namespace cpss {

struct QueueFlow {
  std::string_view stage;  // that the queue feeds; the worker queue feeds on-demand threads, too
  std::string put_text;    // "forwarded receive"
  std::string taken_text;  // "entered service"
  std::uint64_t put = 0;   // messages, so far
  std::uint64_t taken = 0;
  std::uint64_t high_water = 0;  // max. ready at once
};

// The flows of the queues between this server's stages, in pipeline order.
std::vector<QueueFlow> queue_flows(const Snapshot& snapshot);

}  // namespace cpss
