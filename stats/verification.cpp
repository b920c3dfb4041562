#include "stats/verification.h"

#include <algorithm>
#include <utility>

namespace cpss {
namespace {

using Situation = Verification::Situation;

constexpr std::chrono::milliseconds kPause{100};
constexpr int kPausesPerSecond = 10;

bool all_hold(const std::vector<Identity>& identities) noexcept {
  return std::all_of(identities.begin(), identities.end(),
                     [](const Identity& identity) { return identity.holds(); });
}

// Nothing: too early to say. `unmoved`: pauses since a value last changed.
std::optional<Situation> situation_of(const Reading& reading, const Ledger& ledger, int unmoved,
                                      int pauses) {
  if (unmoved == 0)
    return pauses >= kPausesPerSecond ? std::optional(Situation::moving) : std::nullopt;
  if (reading.state == RegionState::stopped) return Situation::at_rest;
  if (reading.no_sign_of_life()) return Situation::silent;
  if (ledger.in_flight == 0 && all_hold(ledger.at_rest)) return Situation::at_rest;
  if (unmoved < kPausesPerSecond) return std::nullopt;
  // With none inside, or fewer than none, no message can still move: so this is rest, and wrong.
  return ledger.in_flight > 0 ? Situation::standing : Situation::at_rest;
}

const std::vector<Identity>& demanded(const Ledger& ledger, Situation situation) noexcept {
  switch (situation) {
    case Situation::at_rest:
      return ledger.at_rest;
    case Situation::standing:
      return ledger.standing;
    default:
      return ledger.live;
  }
}

}  // namespace

bool Verification::holds() const noexcept {
  return all_hold(checked);
}

std::optional<Verification> verify(const std::function<Reading()>& read,
                                   const std::function<void(std::chrono::milliseconds)>& pause) {
  Reading reading = read();
  if (!reading.snapshot) return std::nullopt;
  Ledger last = ledger_of(*reading.snapshot);
  int unmoved = 0;
  for (int pauses = 1;; ++pauses) {
    pause(kPause);
    const RegionFacts facts = std::move(reading.snapshot->facts);
    reading = read();
    if (!reading.snapshot || !reading.snapshot->facts.same_server(facts)) return std::nullopt;
    Ledger now = ledger_of(*reading.snapshot);
    unmoved = now == last ? unmoved + 1 : 0;
    std::optional<Situation> situation = situation_of(reading, now, unmoved, pauses);
    if (!situation && !all_hold(now.live))
      situation = reading.no_sign_of_life() ? Situation::silent : Situation::moving;
    if (situation) return Verification{*situation, std::move(reading), demanded(now, *situation)};
    last = std::move(now);
  }
}

}  // namespace cpss
