// The ledger: every datagram received is in one outcome or inside, and what the stages say of each
// other agrees.
//
// Two kinds of identity. Those at rest are equations that hold exactly when no message moves; their
// residual, left side minus right side, must then be 0. Of a server that holds messages and moves
// none, all of them hold but those that say that nothing is inside. The live bounds hold in every
// snapshot, because of the order in which it is read (stats/snapshot.h) and written
// (stats/writer.h):
//   r1 - T <= max_inside and r2 - T >= 0
// with r1 and r2 what was received before and after the outcomes T were read. An outcome is booked
// before its slot is given back, so what was received by r1 and is in no outcome of T is inside;
// and what is in an outcome of T was received before, so r2 has seen it.
//
// Pure functions over snapshots; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "stats/metrics.h"
#include "stats/snapshot.h"

namespace cpss {

struct Identity {
  enum class Relation : std::uint8_t { equal, at_least, at_most };

  std::string text;  // "service: entered = forwarded + completed"
  std::int64_t left = 0;
  Relation relation = Relation::equal;
  std::int64_t right = 0;

  std::int64_t residual() const noexcept { return left - right; }
  bool holds() const noexcept;
  bool operator==(const Identity&) const = default;
};

struct Ledger {
  std::uint64_t received = 0;
  std::array<std::uint64_t, kOutcomeNames.size()> outcomes{};  // indexed by Outcome
  std::int64_t in_flight = 0;                                  // filled - given_back
  std::int64_t residual = 0;  // received - outcomes - in_flight; under traffic not exactly 0
  std::uint64_t sent = 0;
  std::uint64_t kernel_dropped = 0;
  bool kernel_dropped_exact = false;
  std::vector<Identity> at_rest;   // the first is the ledger itself
  std::vector<Identity> standing;  // what is left of them while messages are inside, unmoved
  std::vector<Identity> live;      // the two bounds

  bool operator==(const Ledger&) const = default;
};

Ledger ledger_of(const Snapshot& snapshot);

// A block of text, lines ended by '\n': one line per row of the ledger.
std::string format_ledger(const Ledger& ledger);
// One line without end: the text, both sides, the residual (of an inequality: the room left before
// it breaks) and whether it holds.
std::string format_identity(const Identity& identity);

}  // namespace cpss
