// The data that the service answers from (docs/numbers.md), as the region shows them.
//
// Any thread; but for one region one thread at a time stores.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "stats/layout.h"

namespace cpss {

struct DataState {
  // 1 for those of the start, and one more with each reload. 0: the service has none.
  std::uint64_t generation = 0;
  std::uint64_t rows = 0;
  std::uint64_t values = 0;  // distinct tuples of a row's other columns
  std::uint64_t bytes = 0;   // in memory
  std::uint64_t serial = 0;
  std::uint64_t load_ns = 0;    // how long they took to load
  std::uint64_t loaded_ns = 0;  // when lanes got them: machine_ns()
  std::uint64_t older = 0;      // earlier generations that lanes still read
  std::uint64_t failures = 0;   // reloads that failed
  std::uint64_t failed_ns = 0;  // when the last one did; 0: none did
  // Longer texts are cut.
  std::string source;  // the file's name
  std::string error;   // why the last reload that failed did
  std::string
      keeper;  // the lane that reads the oldest generation; empty: none reads an earlier one

  bool operator==(const DataState&) const = default;
};

void store(layout::DataEntry& entry, const DataState& state) noexcept;
// Nothing if there are no data, or if the entry changes all the time.
std::optional<DataState> load(const layout::DataEntry& entry);

}  // namespace cpss
