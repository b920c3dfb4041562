// Judges a region's ledger, whatever its server is doing.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <vector>

#include "stats/ledger.h"
#include "stats/snapshot.h"

namespace cpss {

struct Verification {
  bool at_rest = false;
  Snapshot snapshot;              // the one judged
  std::vector<Identity> checked;  // those at rest, or else the live bounds

  bool holds() const noexcept;
};

// Reads every 100 ms. Two equal readings with nothing in flight are rest: the identities at rest
// are checked. Where there is none within 1 s, messages move, and the live bounds are checked, in
// every reading: the first that breaks one ends the verification. Messages inside that do not move
// for a whole second count as rest too, so that lost ones are found; a service that takes longer
// than that for one message must be verified when it is idle. Ends within 2.1 s.
//
// `read` gives nothing where the region can no longer be read, or is another server's: then there
// is no verification either. `pause` waits; tests give one that does not.
std::optional<Verification> verify(const std::function<std::optional<Snapshot>()>& read,
                                   const std::function<void(std::chrono::milliseconds)>& pause);

}  // namespace cpss
