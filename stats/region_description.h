// The places of tables and values in a new region's file, and its description of itself.
#pragma once

#include <cstddef>
#include <cstdint>

#include "stats/region_options.h"

namespace cpss {

// Offsets in bytes from the beginning of the file, except where a comment says otherwise.
struct RegionPlan {
  std::size_t block_bytes;   // of each block of values
  std::size_t metric_count;  // entries of the table
  std::size_t listen;
  std::size_t metrics;
  std::size_t block_entries;
  std::size_t troubles;
  std::size_t data;
  std::size_t first_block;
  std::size_t file_bytes;

  explicit RegionPlan(const RegionOptions& options);
};

// Fills zeroed memory of plan.file_bytes, aligned to a page; stores the version last. `locked`: the
// file has its lock (stats/region_lock.h).
void describe_region(std::byte* file, const RegionPlan& plan, const RegionOptions& options,
                     std::uint64_t generation, bool locked);

}  // namespace cpss
