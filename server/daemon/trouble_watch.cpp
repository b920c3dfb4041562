#include "server/daemon/trouble_watch.h"

namespace cpss {

void TroubleWatch::look(Scoreboard& scoreboard, StatsRegion& region,
                        std::uint64_t now_ns) noexcept {
  for (const TroubleInfo& trouble : kTroubles) {
    std::uint32_t lanes = 0;
    int number = 0;
    std::uint64_t latest_ns = 0;  // the last failure of any lane, as far as they can be told apart
    for (std::size_t lane = 0; lane < seen_.size(); ++lane) {
      const auto look = scoreboard.troubles(lane).look(trouble.id);
      if (!look) continue;
      Seen& seen = seen_[lane][static_cast<std::size_t>(trouble.id)];
      if (!lasts(trouble, *look, seen, now_ns)) continue;
      ++lanes;
      if (seen.at_ns < latest_ns) continue;
      latest_ns = seen.at_ns;
      number = look->number;
    }
    region.set_trouble(trouble.id, lanes, number);
  }
}

bool TroubleWatch::lasts(const TroubleInfo& trouble, LaneTroubles::Look look, Seen& seen,
                         std::uint64_t now_ns) const noexcept {
  if (look.times != seen.times) seen = {look.times, now_ns};
  return !trouble.fades || now_ns - seen.at_ns < kFadesAfterNs;
}

}  // namespace cpss
