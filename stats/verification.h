// Judges a region's ledger, whatever its server is doing.
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
    standing,  // the server lives, and no message inside moved for 1 s: Ledger::standing
    moving,    // Ledger::live
    silent,    // Reading::no_sign_of_life(): Ledger::live
  };

  Situation situation = Situation::at_rest;
  Reading reading;                // the one judged; has a snapshot
  std::vector<Identity> checked;  // those that the situation demands

  bool holds() const noexcept;
};

// Reads every 100 ms, and checks the live bounds in every reading: the first that breaks one ends
// the verification. Two equal readings decide, and where there are none within 1 s, messages move:
//   * The server ended cleanly: all identities at rest have to hold.
//   * No sign of life: it may stand between any two counters, only the bounds are certain.
//   * Nothing is inside and all identities at rest hold: rest.
//   * Else a lane may just have been kept from its CPU. What does not move for a whole second of a
//     server that lives is judged as it stands: messages inside are no error (a slow service), but
//     everything else has to add up with them.
// Ends within 2.1 s.
//
// `read` gives no snapshot where the region can no longer be read, or is another server's: then
// there is no verification either. `pause` waits; tests give one that does not.
std::optional<Verification> verify(const std::function<Reading()>& read,
                                   const std::function<void(std::chrono::milliseconds)>& pause);

}  // namespace cpss
