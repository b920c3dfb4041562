// Judges a region's ledger, in any state of its server.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "stats/ledger.h"
#include "stats/reader.h"

namespace cpss {

struct Verification {
  enum class Situation : std::uint8_t {
    at_rest,   // nothing moves and nothing is inside, or the server ended: Ledger::at_rest
    standing,  // the server lives, and no message inside has moved for 1 s: Ledger::standing
    moving,    // Ledger::live
    silent,    // Reading::no_sign_of_life(): Ledger::live
  };

  Situation situation = Situation::at_rest;
  Reading reading;                // the one judged; has a snapshot
  std::vector<Identity> checked;  // those that must hold in the situation

  bool holds() const noexcept;
};

// Reads every 100 ms, and checks the live bounds in every reading: the first that breaks one ends
// the verification. Two equal readings decide; if there are none within 1 s, messages move:
//   * The server ended cleanly: all identities at rest have to hold.
//   * No sign of life: it may have stopped between any two counters, only the bounds are certain.
//   * Nothing is inside and all identities at rest hold: rest.
//   * Else a lane may just have been kept from its CPU. If nothing moves for a whole second and the
//     server lives, verify() judges it as it stands: messages inside are no error (a slow service),
//     but everything else has to add up with them.
// Ends within 2.1 s.
//
// Returns nothing if `read` gives no snapshot, because the region can no longer be read, or one of
// another server. `pause` waits; tests give one that does not.
std::optional<Verification> verify(const std::function<Reading()>& read,
                                   const std::function<void(std::chrono::milliseconds)>& pause);

}  // namespace cpss
