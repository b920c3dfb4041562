#include "stats/verification.h"

#include <algorithm>
#include <utility>

namespace cpss {
namespace {

constexpr std::chrono::milliseconds kPause{100};
constexpr int kPausesPerSecond = 10;

bool all_hold(const std::vector<Identity>& identities) noexcept {
  return std::all_of(identities.begin(), identities.end(),
                     [](const Identity& identity) { return identity.holds(); });
}

}  // namespace

bool Verification::holds() const noexcept {
  return all_hold(checked);
}

std::optional<Verification> verify(const std::function<std::optional<Snapshot>()>& read,
                                   const std::function<void(std::chrono::milliseconds)>& pause) {
  std::optional<Snapshot> snapshot = read();
  if (!snapshot) return std::nullopt;
  Ledger last = ledger_of(*snapshot);
  int unmoved = 0;  // pauses since a value changed
  for (int pauses = 1;; ++pauses) {
    pause(kPause);
    const RegionFacts facts = std::move(snapshot->facts);
    snapshot = read();
    if (!snapshot || !snapshot->facts.same_server(facts)) return std::nullopt;
    const Ledger now = ledger_of(*snapshot);
    if (!all_hold(now.live)) return Verification{false, *snapshot, now.live};
    unmoved = now == last ? unmoved + 1 : 0;
    if (unmoved >= 1 && (now.in_flight == 0 || unmoved >= kPausesPerSecond))
      return Verification{true, *snapshot, now.at_rest};
    if (unmoved == 0 && pauses >= kPausesPerSecond) return Verification{false, *snapshot, now.live};
    last = now;
  }
}

}  // namespace cpss
