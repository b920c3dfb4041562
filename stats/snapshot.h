// The values of a stats region at one moment: plain values, safe to keep, copy and read anywhere.
//
// How it is read (stats/region_view.cpp), so that these differences are never negative and the live
// bounds of stats/ledger.h hold, at any moment of the server's work:
//   1. received_before
//   2. every reason of every block
//   3. the stages from the last to the first; in each stage, over all lanes, first everything else,
//      then entered, received and filled
// So counters that a message raises earlier in its life are read later. Each value is read once,
// whole, with acquire; it never goes back while the same server runs. So the lanes shown on their
// own add up, with those that run the stage inline, to the value of their stage.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stats/data_state.h"

namespace cpss {

struct HistogramSnapshot {
  std::vector<std::uint64_t> buckets;  // as in stats/histogram.h; empty: nothing recorded
  std::uint64_t max = 0;

  std::uint64_t count() const noexcept;
  // The value at or below which a share (0 to 1) of all values lies: not less than the true one and
  // at most 1/32 above it. 0 if there are no values.
  std::uint64_t percentile(double share) const noexcept;
  void add(const HistogramSnapshot& other);
};

// The sum over the lanes of a stage. A name the region does not have counts as 0.
struct StageSnapshot {
  std::string name;
  std::size_t lanes = 0;        // its own, without those of other stages that run it inline
  bool essential_only = false;  // a lane counts only what the ledger needs: the rest is 0
  std::map<std::string, std::uint64_t, std::less<>> counters;
  std::map<std::string, std::uint64_t, std::less<>> gauges;
  std::map<std::string, HistogramSnapshot, std::less<>> histograms;

  std::uint64_t counter(std::string_view metric) const noexcept;
  std::uint64_t gauge(std::string_view metric) const noexcept;
  const HistogramSnapshot& histogram(std::string_view metric) const noexcept;
};

// One lane of the stage `receive`.
struct LaneSnapshot {
  std::string lane;  // recv-0
  std::uint64_t received = 0;
  std::uint64_t lost_races = 0;
  std::uint64_t handoffs = 0;
};

struct ReasonCount {
  std::string outcome;
  std::string name;
  std::string help;
  std::uint64_t count = 0;

  // "invalid.too_short"; the outcome alone if the reason has the same name.
  std::string full_name() const;
};

// One counter, gauge or histogram, as the region describes it.
struct MetricFacts {
  enum class Kind : std::uint8_t { counter, gauge, histogram };
  Kind kind = Kind::counter;
  std::string name;
  std::string unit;
  std::string help;
};

// A trouble of the server, as the region describes it (stats/troubles.h).
struct TroubleSnapshot {
  std::string name;
  std::string help;
  std::string reason;       // the last failure's number in words; empty: there is none
  std::uint64_t lanes = 0;  // that are in the trouble
  std::uint64_t since_ns = 0;
};

// Facts that do not change while the server runs.
struct RegionFacts {
  std::uint64_t generation = 0;
  std::uint64_t pid = 0;
  std::uint64_t start_ticks = 0;
  std::uint64_t pid_namespace = 0;  // stats/process_identity.h
  bool locked = false;              // the server has its lock on the file (stats/region_lock.h)
  std::string model;
  std::string service;
  std::vector<std::string> listen;
  std::vector<MetricFacts> metrics;  // in the region's order; every stage has each of them
  std::uint64_t max_inside = 0;      // datagrams
  std::uint64_t slots = 0;
  bool histograms = false;
  bool kernel_dropped_exact = false;
  std::uint64_t started_unix_ns = 0;  // CLOCK_REALTIME
  std::uint64_t started_ns = 0;       // machine_ns() of stats/machine_clock.h, as the times below

  bool same_server(const RegionFacts& other) const noexcept {
    return generation == other.generation && pid == other.pid && start_ticks == other.start_ticks &&
           pid_namespace == other.pid_namespace && started_ns == other.started_ns;
  }
};

struct Snapshot {
  RegionFacts facts;
  std::uint64_t taken_ns = 0;
  std::uint64_t live_ns = 0;  // 0: not yet
  std::uint64_t heartbeat_ns = 0;
  std::uint64_t ended_ns = 0;         // 0: no clean end
  std::vector<StageSnapshot> stages;  // with lanes, in pipeline order; `server`, the main thread's
                                      // own values, last
  std::vector<LaneSnapshot>
      receivers;                     // in the region's order, without those that run receive inline
  std::vector<ReasonCount> reasons;  // all, in the region's order
  std::vector<TroubleSnapshot> troubles;  // those that last now, in the region's order
  std::optional<DataState> data;          // of the service; none: it has none
  std::uint64_t received_before = 0;

  const StageSnapshot* stage(std::string_view name) const noexcept;  // null: has no lanes
  std::uint64_t total(std::string_view counter) const noexcept;      // over all stages
};

// The name of the main thread's block, which is no stage of the pipeline.
inline constexpr std::string_view kServerStage = "server";

}  // namespace cpss
