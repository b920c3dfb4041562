// What follows from a snapshot for each stage of the pipeline, for every way to print it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "stats/reader.h"
#include "stats/snapshot.h"

namespace cpss::getstat {

struct StageFigures {
  const StageSnapshot* stage;     // in the reading's snapshot
  std::uint64_t threads = 0;      // now
  std::uint64_t threads_max = 0;  // that ever ran at once
  // Of the queue that feeds the stage, in messages; nothing for the first stage, which the kernel's
  // socket buffer feeds, and for on-demand threads, which share the workers' queue.
  std::optional<std::uint64_t> queue_depth;
  std::optional<std::uint64_t> queue_high_water;
  double busy = 0;  // time inside the step over lanes (of on-demand threads: their cap) x elapsed
  double entered_per_s = 0;
};

// How long the values took to come together: from the server being ready, or from `before`, an
// earlier snapshot of the same server, until they end. 0 where that is not known. The reading has a
// snapshot.
double elapsed_ns(const Reading& reading, const Snapshot* before);

// In pipeline order, only stages that have lanes. `busy` and the rate are those since `before`, an
// earlier snapshot of the same server, or without one since the server was ready. The reading has a
// snapshot and outlives the result.
std::vector<StageFigures> stage_figures(const Reading& reading, const Snapshot* before);

}  // namespace cpss::getstat
