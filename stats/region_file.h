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
  NewFile file;  // with its lock (stats/region_lock.h), if the file system has such locks
  std::unique_ptr<FileMapping> mapping;
  std::size_t troubles;     // offset of the table
  std::size_t data;         // offset of the table
  std::size_t first_block;  // offset of the first block's values
  std::size_t block_bytes;  // from one block's values to the next
  std::string warning;      // about the place; empty: none
  bool replaces;            // an earlier server's region is at the path
};

// Throws StatsRegionError if the file at `path` is one that a region must not replace. Takes no
// lock, so another file may be there later: this check keeps a server from making a lock file
// beside a file that can never be its region (/dev/null.lock).
void require_place_for_region(const std::string& path);

// Makes and describes the region of `options` for `path`, mode 0640, with all its space reserved;
// does not put it into place. The caller holds the lock of that path. Throws StatsRegionError if
// the file there is no region, or the region of a running server, whose lock file was removed. The
// path is as it was.
RegionFile make_region_file(const std::string& path, const RegionOptions& options);

}  // namespace cpss
