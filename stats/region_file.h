// Makes a new region.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "stats/file_mapping.h"
#include "stats/new_file.h"
#include "stats/region_options.h"

namespace cpss {

struct RegionFile {
  NewFile file;  // with its lock (stats/region_lock.h), where it could be had
  std::unique_ptr<FileMapping> mapping;
  std::size_t troubles;     // offset of the table
  std::size_t first_block;  // offset of the first block's values
  std::size_t block_bytes;  // from one block's values to the next
  std::string warning;      // about the place, empty where it is fine
  bool replaces;            // another server's last words were at the path
};

// Throws StatsRegionError where something is at `path` that a region must not replace. Needs no
// lock and so proves nothing for later: it keeps a server from making a lock file beside what can
// never be its region (/dev/null.lock).
void require_place_for_region(const std::string& path);

// Makes and describes the region of `options` for `path`, mode 0640, with all its space reserved;
// it is not in place yet. The caller holds the lock of that path. Looks itself at what is there:
// throws StatsRegionError where that is a running server's region, whose lock file somebody has
// removed, or no region at all. The path is as it was.
RegionFile make_region_file(const std::string& path, const RegionOptions& options);

}  // namespace cpss
