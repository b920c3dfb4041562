// The ledger: every datagram received is in one outcome or inside, and the counters of neighbouring
// stages agree.
//
// Two kinds of identity. Those at rest are equations that hold exactly when no message moves; their
// residual, left side minus right side, must then be 0. If a server holds messages and moves none,
// all hold except those that require that nothing is inside: these become inequalities, or are not
// checked. The live bounds hold in every snapshot, because of the order in which it is read
// (stats/snapshot.h) and written (stats/writer.h):
//   r1 - T <= max_inside and r2 - T >= 0
// r1 and r2 are the datagrams received before and after the outcomes T were read. An outcome is
// booked before its slot is given back, so a datagram counted in r1 and in no outcome of T is
// inside; and a datagram in an outcome of T was received earlier, so r2 includes it.
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
  std::vector<Identity> standing;  // those that hold while messages are inside and none moves
  std::vector<Identity> live;      // the two bounds

  bool operator==(const Ledger&) const = default;
};

Ledger ledger_of(const Snapshot& snapshot);

// A block of text, lines ended by '\n': one line per row of the ledger.
// A block of text, lines ended by '\n': one line per row of the ledger.
std::string format_ledger(const Ledger& ledger);
// One line without end: the text, both sides, the residual (for an inequality: the distance from
// breaking) and whether it holds.
std::string format_identity(const Identity& identity);

}  // namespace cpss
