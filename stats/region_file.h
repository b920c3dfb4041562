// Puts a new region into place.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "stats/file_descriptor.h"
#include "stats/file_mapping.h"
#include "stats/region_options.h"

namespace cpss {

struct RegionFile {
  FileDescriptor file;  // with its lock (stats/region_lock.h), where it could be had
  std::unique_ptr<FileMapping> mapping;
  std::size_t troubles;     // offset of the table
  std::size_t first_block;  // offset of the first block's values
  std::size_t block_bytes;  // from one block's values to the next
  std::string warning;      // about the place, empty where it is fine
};

// Throws StatsRegionError where something is at `path` that a region must not replace. Needs no
// lock and so proves nothing for later: it keeps a server from making a lock file beside what can
// never be its region (/dev/null.lock).
void require_place_for_region(const std::string& path);

// Makes, describes and renames into place the region of `options` at `path`, mode 0640, with all
// its space reserved. Another region there is replaced, anything else is not. The caller holds the
// lock of that path. Looks itself at what is there. Throws StatsRegionError and leaves the path as
// it was.
RegionFile make_region_file(const std::string& path, const RegionOptions& options);

}  // namespace cpss
