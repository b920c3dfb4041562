// The counters of a server, without a server: blocks of values in private memory, and their sums.
//
// For the thread that runs the steps under test.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "stats/writer.h"

namespace cpss::test {

class StageLedger {
 public:
  // The writer of a new, zeroed block; valid as long as the ledger.
  StatsWriter open();

  // Sums of all blocks.
  std::uint64_t total(Counter counter) const;
  std::uint64_t total(Reason reason) const;
  std::uint64_t outcomes() const;  // all reasons
  std::uint64_t recorded(HistogramId histogram) const;
  std::uint64_t largest(Gauge gauge) const;
  std::uint64_t largest(HistogramId histogram) const;  // value recorded

  // In flight according to the counters; wraps if they are wrong.
  std::uint64_t in_flight() const { return total(Counter::filled) - total(Counter::given_back); }

 private:
  struct alignas(kCacheLine) Block {
    std::array<Value, kBlockBytes / sizeof(Value)> values{};
  };
  std::uint64_t sum(std::size_t at) const;
  std::uint64_t max(std::size_t at) const;

  std::deque<Block> blocks_;  // does not move its elements
};

}  // namespace cpss::test
