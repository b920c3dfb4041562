// Tells the stats region what the lanes are in trouble with (stages/lane/troubles.h): getstat's
// state `degraded`, and its reasons.
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
  // Of what tries again, one failure is at most the longest pause (Backoff::kMax) after the other:
  // after twice that it has got through, or is not wanted any more.
  static constexpr std::uint64_t kFadesAfterNs = 2'000'000'000;

  explicit TroubleWatch(std::size_t lanes) : seen_(lanes) {}

  // Several times a second. `now_ns`: base/clock.h.
  void look(Scoreboard& scoreboard, StatsRegion& region, std::uint64_t now_ns) noexcept;

 private:
  // Of one trouble of one lane.
  struct Seen {
    std::uint32_t times = 0;
    std::uint64_t at_ns = 0;  // when it was seen to have failed for the last time
  };
  bool lasts(const TroubleInfo& trouble, LaneTroubles::Look look, Seen& seen,
             std::uint64_t now_ns) const noexcept;

  std::vector<std::array<Seen, kTroubles.size()>> seen_;  // by lane
};

}  // namespace cpss
