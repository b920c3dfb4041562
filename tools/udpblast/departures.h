// What becomes of each message of a thread's plan: it is sent, however late, or it is missed.
//
// A message is missed, for good, where there is no room for it among those under way, where the
// kernel has taken nothing for kHopelessNs, and where the run ends before its turn comes. None is
// forgotten (planned = sent + missed), and none changes the time of those after it.
//
// One thread; nothing is allocated. Times are monotonic_ns().
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "tools/udpblast/pacer.h"
#include "tools/udpblast/tally.h"

namespace cpss::udpblast {

inline constexpr std::uint64_t kHopelessNs = 1'000'000'000;
// How long a run with a time limit goes on sending beyond it what was due before.
inline constexpr std::uint64_t kCatchUpNs = 1'000'000'000;

class Departures {
 public:
  // `ends_ns`: when the plan's time limit is, if it has one. `tally` outlives this.
  Departures(const PlanShare& share, std::uint64_t start_ns, std::optional<std::uint64_t> ends_ns,
             Tally& tally) noexcept
      : pacer_(share, start_ns), tally_(tally) {
    if (ends_ns) last_chance_ns_ = *ends_ns + kCatchUpNs;
  }

  std::size_t due(std::uint64_t now_ns, std::size_t max) const noexcept {
    return pacer_.due(now_ns, max);
  }
  std::uint64_t message(std::size_t ahead) const noexcept { return pacer_.message(ahead); }
  std::uint64_t planned_ns(std::size_t ahead = 0) const noexcept {
    return pacer_.planned_ns(ahead);
  }

  // The kernel took the next `count` of those due; `after_ns`: when it had.
  void sent(std::size_t count, std::uint64_t after_ns) noexcept {
    for (std::size_t i = 0; i < count; ++i) tally_.record_lag(after_ns - pacer_.planned_ns(i));
    pacer_.advance(count);
    if (count > 0) blocked_since_ns_.reset();
  }
  // There was no room for the next `count` of those due.
  void missed(std::size_t count) noexcept {
    tally_.add(Count::missed, count);
    pacer_.advance(count);
  }
  // The kernel did not take all it was given.
  void blocked(std::uint64_t now_ns) noexcept {
    if (!blocked_since_ns_) blocked_since_ns_ = now_ns;
    if (now_ns - *blocked_since_ns_ < kHopelessNs) return;
    missed(pacer_.due(now_ns, ~std::size_t{0}));
  }
  // The run ends here: what is due and was not sent is missed, what is due later is not planned.
  void end(std::uint64_t now_ns) noexcept {
    pacer_.cut(now_ns);
    missed(static_cast<std::size_t>(pacer_.left()));
  }
  // Whether there is nothing more to send.
  bool done(std::uint64_t now_ns) noexcept {
    if (last_chance_ns_ && now_ns >= *last_chance_ns_) end(now_ns);
    return pacer_.done();
  }
  std::uint64_t planned() const noexcept { return pacer_.planned(); }

 private:
  Pacer pacer_;
  Tally& tally_;
  std::optional<std::uint64_t> last_chance_ns_;
  std::optional<std::uint64_t> blocked_since_ns_;
};

}  // namespace cpss::udpblast
