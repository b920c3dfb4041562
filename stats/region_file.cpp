#include "stats/region_file.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/file_descriptor.h"
#include "stats/layout.h"
#include "stats/reader.h"
#include "stats/region_description.h"
#include "stats/region_error.h"
#include "stats/region_lock.h"

namespace cpss {
namespace {

// The generation of the region at `path`, 0 if there is no file or an empty one. Throws if the file
// there is no region: it would be overwritten.
std::uint64_t generation_at(const std::string& path) {
  const auto fail = [&](const std::string& why, int code) -> StatsRegionError {
    return {fmt::format("stats region {}: {}: {}", path, why,
                        region_advice(code, "remove it, or choose another path (CPSS_STATS_FILE)")),
            code};
  };
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (!file.valid() && errno == ENOENT) return 0;
  struct stat status {};
  if (!file.valid() || ::fstat(file.get(), &status) != 0)
    throw fail(fmt::format("cannot be opened: {}", std::strerror(errno)), errno);
  if (!S_ISREG(status.st_mode)) throw fail("what is there is not a regular file", EEXIST);
  if (status.st_size == 0) return 0;
  struct {
    std::array<char, offsetof(layout::Header, generation)> before;
    std::uint64_t generation;
  } head{};
  const ssize_t bytes = ::pread(file.get(), &head, sizeof head, 0);
  if (bytes < 0) throw fail(fmt::format("cannot be read: {}", std::strerror(errno)), errno);
  if (std::memcmp(head.before.data(), layout::kMagic.data(), layout::kMagic.size()) != 0)
    throw fail("a file that is not a stats region is there and would be overwritten", EEXIST);
  return head.generation;
}

// The warning about a file that is on a disk; empty if it is in memory.
std::string disk_warning(int descriptor, const std::string& path) {
  struct statfs status {};
  if (::fstatfs(descriptor, &status) != 0) return {};
  if (status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC) return {};
  return fmt::format(
      "stats region {} is on a disk: writing it back can delay the server; put it on a file system "
      "in memory (CPSS_STATS_FILE=/dev/shm/...)",
      path);
}

// This process holds the lock file, so a server that still has the region must have lost its own.
void require_no_server(const std::string& path) {
  const Reading reading = read_header(path);
  if (!has_server(reading.state) || reading.lock == RegionLock::free) return;
  throw held_by_another_server(path, fmt::format("process {}", reading.snapshot->facts.pid),
                               ", although its lock file was removed");
}

}  // namespace

void require_place_for_region(const std::string& path) {
  generation_at(path);
}

RegionFile make_region_file(const std::string& path, const RegionOptions& options) {
  const RegionPlan plan(options);
  require_no_server(path);
  const std::uint64_t generation = generation_at(path) + 1;
  NewFile file(path, plan.file_bytes);
  const bool locked = lock_region(file.descriptor());
  std::string warning = disk_warning(file.descriptor(), path);
  std::unique_ptr<FileMapping> mapping;
  try {
    mapping = std::make_unique<FileMapping>(file.descriptor(), plan.file_bytes,
                                            FileMapping::Access::write);
  } catch (const std::system_error& error) {
    throw StatsRegionError(fmt::format("cannot map stats region {}: {}", path, error.what()),
                           error.code().value());
  }
  describe_region(mapping->data(), plan, options, generation, locked);
  return {std::move(file),  std::move(mapping), plan.troubles,      plan.data,
          plan.first_block, plan.block_bytes,   std::move(warning), generation > 1};
}

}  // namespace cpss
