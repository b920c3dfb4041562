// Figures for each stage of the pipeline, computed from a snapshot; table and JSON print the same.
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
  std::uint64_t threads_max = 0;  // max that ever ran at once
  // Messages in the queue that feeds the stage; nullopt for the first stage, which the kernel's
  // socket buffer feeds, and for on-demand threads, which share the workers' queue.
  std::optional<std::uint64_t> queue_depth;
  std::optional<std::uint64_t> queue_high_water;
  // Time inside the step, divided by the elapsed time and the lanes (on-demand threads: their max).
  std::optional<double> busy;  // none: no thread is its own
  double entered_per_s = 0;
};

// The time in which the values were counted: from when the server was ready, or from `before`, an
// earlier snapshot of the same server, to the last moment of the reading. 0 if it is not known. The
// reading has a snapshot.
double elapsed_ns(const Reading& reading, const Snapshot* before);

// In pipeline order, only stages that have lanes. `busy` and the rate are those since `before`, an
// earlier snapshot of the same server, or without one since the server was ready. The reading has a
// snapshot and outlives the result.
std::vector<StageFigures> stage_figures(const Reading& reading, const Snapshot* before);

}  // namespace cpss::getstat
