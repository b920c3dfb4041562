// Tells the stats region which troubles the lanes are in (stages/lane/troubles.h): these are
// getstat's state `degraded`, and its reasons.
//
// Main thread.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "server/pipeline/scoreboard.h"
#include "stats/region.h"
#include "stats/troubles.h"

namespace cpss {

class TroubleWatch {
 public:
  // A lane tries again at most the longest pause (Backoff::kMax) after a failure. Without another
  // failure for twice that time it has succeeded, or no longer needs to try.
  static constexpr std::uint64_t kFadesAfterNs = 2'000'000'000;

  explicit TroubleWatch(std::size_t lanes) : seen_(lanes) {}

  // To be called several times a second. `now_ns`: base/clock.h.
  void look(Scoreboard& scoreboard, StatsRegion& region, std::uint64_t now_ns) noexcept;

 private:
  // Seen of one trouble of one lane.
  struct Seen {
    std::uint32_t times = 0;
    std::uint64_t at_ns = 0;  // when its last failure was seen
  };
  bool lasts(const TroubleInfo& trouble, LaneTroubles::Look look, Seen& seen,
             std::uint64_t now_ns) const noexcept;

  std::vector<std::array<Seen, kTroubles.size()>> seen_;  // by lane
};

}  // namespace cpss
