// The stats region as a file: a server publishes it, any reader can decode it.
//
//          0 ┌──────────────────────────────────────────────────────────┐
//            │ Header: magic, layout version, sizes, the server's       │
//            │ identity, its marks (live, heartbeat, end), the tables   │
//            ├──────────────────────────────────────────────────────────┤
//   listen   │ ListenEntry x n: the addresses listened on               │
//            ├──────────────────────────────────────────────────────────┤
//   metrics  │ MetricEntry x n: kind, name, unit, help and place in a   │
//            │ block of each counter, reason, gauge and histogram       │
//            ├──────────────────────────────────────────────────────────┤
//   blocks   │ BlockEntry x n: lane, stage and place in the file        │
//            ├──────────────────────────────────────────────────────────┤
//   troubles │ TroubleEntry x n: the troubles that the server may have, │
//            │ and whether it has them now                              │
//            ├──────────────────────────────────────────────────────────┤
//   data     │ DataEntry x n: the data that a service answers from      │
//            ├──────────────────────────────────────────────────────────┤
//            │ values of (lane 0, stage)    one writer, 64-byte aligned │
//            │ values of (lane 1, stage)    one writer, 64-byte aligned │
//            │ ...                                                      │
//            └──────────────────────────────────────────────────────────┘ file_bytes
//
// The file describes itself: a reader finds tables by the header's offsets, steps through them by
// the entry size given there, and finds values by the names in them, never by its own lists. So
// counters, reasons, gauges, histograms, blocks, troubles and fields at the end of an entry can be
// added without a new layout version; any other change (also of the buckets of stats/histogram.h)
// needs one. To omit some needs none either: a server that records no histograms describes none,
// and its blocks have no room for them (Header::block_bytes).
//
// Numbers are in the machine's byte order: the region never leaves the machine. Texts are padded
// with zeros and have at least one. Times are CLOCK_MONOTONIC of the initial time namespace in ns,
// the same for every process of the machine (stats/machine_clock.h), except where the name says
// otherwise.
//
// The version is stored last, by a release store, when everything else is in place; it is 0 before.
// Only the marks, the values, the troubles' states and the data change after that, all as 64-bit
// atomics (stats/writer.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "queue/shared_word.h"
#include "stats/writer.h"

namespace cpss::layout {

inline constexpr std::array<char, 8> kMagic = {'C', 'P', 'S', 'S', 'S', 'T', 'A', 'T'};
inline constexpr std::uint32_t kVersion = 3;

struct Table {
  std::uint64_t offset;       // bytes from the beginning of the file
  std::uint32_t count;        // entries
  std::uint32_t entry_bytes;  // from one entry to the next
};

struct Header {
  std::array<char, 8> magic;
  SharedWord<std::uint32_t> version;
  std::uint32_t header_bytes;
  std::uint64_t file_bytes;
  std::uint64_t generation;       // 1 higher than in the region it replaced
  std::uint64_t pid;              // of the server, as it sees itself
  std::uint64_t start_ticks;      // of that process (stats/process_identity.h): tells a server from
                                  // a later process with the same pid
  std::uint64_t started_unix_ns;  // CLOCK_REALTIME
  std::uint64_t started_ns;       // when the region was made
  Value live_ns;                  // the live mark: when the server was ready; 0 before
  Value heartbeat_ns;             // the main thread's last tick, at least one a second
  Value ended_ns;                 // the clean-end mark; 0 without
  std::uint64_t max_inside;       // max. of datagrams inside and in no outcome yet
  std::uint64_t slots;
  std::uint32_t histograms;            // 1: histograms are recorded; 0: the file has none
  std::uint32_t kernel_dropped_exact;  // 1: kernel_dropped counts datagrams; 0: merged packets
  std::uint64_t block_bytes;           // of each block of values
  Table listen;
  Table metrics;
  Table blocks;
  std::array<char, 32> model;
  std::array<char, 64> service;
  Table troubles;
  std::uint64_t pid_namespace;  // that the pid belongs to (stats/process_identity.h)
  std::uint32_t locked;         // 1: the server has locked this file (stats/region_lock.h)
  std::uint32_t unused;
  Table data;
  std::array<char, 8> unused_too;
};
static_assert(ImplicitLifetime<Header>, "a reader maps it, and constructs nothing");
static_assert(sizeof(Header) == 320 && offsetof(Header, version) == 8 &&
                  offsetof(Header, live_ns) == 64 && offsetof(Header, listen) == 120 &&
                  offsetof(Header, model) == 168,
              "readers of other builds rely on these places");

struct ListenEntry {
  std::array<char, 64> address;  // 127.0.0.1:7700, [::1]:7700
};

enum class MetricKind : std::uint32_t { counter = 1, reason = 2, gauge = 3, histogram = 4 };

struct MetricEntry {
  std::uint32_t kind;            // MetricKind; a reader passes over kinds it does not know
  std::uint32_t merge;           // gauges: 0 sum, 1 largest; 0 otherwise
  std::uint32_t offset;          // bytes from the beginning of a block, a multiple of 8
  std::uint32_t values;          // 64-bit values there: 1, or kHistogramValues
  std::array<char, 32> name;     // too_short
  std::array<char, 16> outcome;  // reasons: the outcome it belongs to
  std::array<char, 16> unit;
  std::array<char, 112> help;
};
static_assert(sizeof(MetricEntry) == 192);

enum BlockFlag : std::uint32_t {
  kEssentialOnly = 1,  // only what the ledger needs is counted (Detail::essential)
  kInline = 2,         // a lane of another stage runs this one inline: not one of its lanes
};

struct BlockEntry {
  std::uint64_t offset;  // bytes from the beginning of the file, a multiple of 64
  std::uint32_t stage;   // its place in the pipeline, ascending
  std::uint32_t flags;   // of BlockFlag
  std::array<char, 16> stage_name;
  std::array<char, 32> lane;  // svc-0
};
static_assert(sizeof(BlockEntry) == 64);

// Written by the main thread, at each tick.
struct TroubleEntry {
  std::array<char, 32> name;  // receive
  std::array<char, 96> help;
  std::uint64_t number_kind;  // the meaning of `number`: 0 none, 1 an errno, 2 a signal
  Value since_ns;             // since when the trouble lasts, stored last; 0: it does not
  Value number;               // of the last failure
  Value lanes;                // that are in the trouble
};
static_assert(sizeof(TroubleEntry) == 160);

inline constexpr std::size_t kDataNumbers = 10;

// Written by the main thread, when it loads data and when that changes what is shown of them
// (stats/data_state.h). Texts are padded with zeros, in as many words as they may have, the last of
// which need not end in one.
struct DataEntry {
  Value changes;                            // odd while the words below are written
  std::array<Value, kDataNumbers> numbers;  // of DataState, in its order
  std::array<Value, 32> source;
  std::array<Value, 64> error;
  std::array<Value, 4> keeper;
};
static_assert(ImplicitLifetime<DataEntry> && sizeof(DataEntry) == 888);

}  // namespace cpss::layout
