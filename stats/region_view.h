// Decodes a mapped stats region by its own description.
//
// Trusts nothing in it: checks every table, text and value against the file's size once, copies
// those that it may use again, and later reads only addresses that it has checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include "stats/layout.h"
#include "stats/snapshot.h"

namespace cpss {

// The bytes are not a region that this build can read. what() says why, in words that follow
// "PATH ".
class IncompatibleRegion : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Reads marks and facts from the header alone, so without listeners and metrics, and at the same
// cost for every file. `file`: the header, or more. Throws IncompatibleRegion.
Snapshot read_region_header(std::span<const std::byte> file);

class RegionView {
 public:
  // `file` is the whole file, aligned to 8 bytes; it outlives the view. Throws IncompatibleRegion.
  explicit RegionView(std::span<const std::byte> file);

  const RegionFacts& facts() const noexcept { return facts_; }
  // Several threads at once may call it, while the server writes.
  Snapshot read() const;

 private:
  struct Metric {
    layout::MetricKind kind;
    bool largest;        // gauges: the largest over all blocks, else the sum
    std::size_t offset;  // bytes in a block
    bool last;           // read after the other values of its stage
    // The member that also keeps a receiving lane's own value; null: none.
    std::uint64_t LaneSnapshot::*of_lane;
    std::string name, outcome, help;
  };
  static constexpr std::size_t kNoReceiver = SIZE_MAX;
  struct Block {
    std::size_t offset;    // in the file
    std::size_t receiver;  // its place in Snapshot::receivers, or kNoReceiver
  };
  struct Stage {
    std::uint32_t order;
    std::string name;
    std::vector<Block> blocks;
    std::size_t lanes = 0;  // blocks of the stage's own lanes
    bool essential_only = false;
  };

  const layout::Header& header() const noexcept;
  std::uint64_t value(std::size_t offset) const noexcept;
  HistogramSnapshot histogram(std::size_t offset) const;
  void read_metric(const Metric& metric, const Stage& stage, StageSnapshot& into,
                   std::vector<LaneSnapshot>& receivers) const;
  std::vector<TroubleSnapshot> read_troubles() const;
  std::uint64_t sum_over_blocks(const Metric& metric) const noexcept;

  void read_facts();
  void read_metrics();
  void read_blocks();
  void find_troubles();
  void find_data();
  template <class Entry>
  std::vector<const Entry*> entries(const layout::Table& table, const char* name) const;

  std::span<const std::byte> file_;
  RegionFacts facts_;
  std::size_t block_bytes_ = 0;
  std::vector<Metric> metrics_;
  std::vector<Stage> stages_;            // ascending
  std::vector<LaneSnapshot> receivers_;  // their names
  struct KnownTrouble {
    const layout::TroubleEntry* entry;
    std::string name, help;
    std::uint64_t number_kind;
  };
  std::vector<KnownTrouble> troubles_;
  const layout::DataEntry* data_ = nullptr;  // null: the region has none
};

}  // namespace cpss
