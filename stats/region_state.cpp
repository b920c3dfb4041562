#include "stats/region_state.h"

namespace cpss {
namespace {

bool is_there(const SignsOfLife& signs) noexcept {
  // A server that is known to have ended is gone, even if a child of its still holds the lock.
  if (signs.process == Running::no) return false;
  if (signs.lock == RegionLock::held) return true;
  const bool beats = signs.silence_ns < kHungAfterNs;
  if (signs.process == Running::yes) return beats || signs.lock == RegionLock::unknown;
  return beats && signs.lock == RegionLock::unknown;
}

}  // namespace

std::string_view name_of(RegionState state) {
  switch (state) {
    case RegionState::missing:
      return "missing";
    case RegionState::starting:
      return "starting";
    case RegionState::live:
      return "live";
    case RegionState::hung:
      return "hung";
    case RegionState::stopped:
      return "stopped";
    case RegionState::stale:
      return "stale";
    case RegionState::incompatible:
      return "incompatible";
  }
  return "unknown";
}

bool has_server(RegionState state) noexcept {
  return state == RegionState::starting || state == RegionState::live || state == RegionState::hung;
}

RegionState judge(const SignsOfLife& signs) noexcept {
  if (!is_there(signs)) return RegionState::stale;
  // A server gives no heartbeat until it is ready.
  if (!signs.ready) return RegionState::starting;
  return signs.silence_ns < kHungAfterNs ? RegionState::live : RegionState::hung;
}

}  // namespace cpss
