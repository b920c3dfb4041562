#include "stats/region_file.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "stats/file_descriptor.h"
#include "stats/layout.h"
#include "stats/region_description.h"
#include "stats/region_error.h"
#include "stats/region_lock.h"

namespace cpss {
namespace {

// The generation of the region that is at `path`, 0 where there is none. Throws where something
// else is there: it would be overwritten.
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

// A file under another name in the folder of a path, removed again unless it is put into place.
class NewFile {
 public:
  // Mode 0640, `bytes` zeroed and reserved.
  NewFile(std::string path, std::size_t bytes);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  int descriptor() const noexcept { return file_.get(); }
  // The descriptor is the caller's from then on.
  FileDescriptor put_into_place();

 private:
  std::string path_;
  std::string name_;
  FileDescriptor file_;
  bool in_place_ = false;
};

NewFile::NewFile(std::string path, std::size_t bytes)
    : path_(std::move(path)), name_(path_ + ".new") {
  ::unlink(name_.c_str());  // left by a server that died here; the lock is ours
  file_ = FileDescriptor(::open(name_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file_.valid())
    throw StatsRegionError(
        fmt::format("cannot make stats region {}: {}: {}", path_, std::strerror(errno),
                    region_advice(errno,
                                  "choose a path in a folder that exists and that the server may "
                                  "write (CPSS_STATS_FILE)")),
        errno);
  // Returns an error number and does not set errno (posix_fallocate(3)).
  int error = ::posix_fallocate(file_.get(), 0, static_cast<off_t>(bytes));
  if (error == 0 && ::fchmod(file_.get(), 0640) != 0) error = errno;
  if (error == 0) return;
  ::unlink(name_.c_str());
  throw StatsRegionError(
      fmt::format(
          "cannot reserve {} KiB for stats region {}: {}: {}", (bytes + 1023) / 1024, path_,
          std::strerror(error),
          region_advice(error, "make room there, or choose another path (CPSS_STATS_FILE)")),
      error);
}

NewFile::~NewFile() {
  if (!in_place_) ::unlink(name_.c_str());
}

FileDescriptor NewFile::put_into_place() {
  if (::rename(name_.c_str(), path_.c_str()) != 0)
    throw StatsRegionError(
        fmt::format("cannot put stats region {} into place: {}: choose another path "
                    "(CPSS_STATS_FILE)",
                    path_, std::strerror(errno)),
        errno);
  in_place_ = true;
  return std::move(file_);
}

// What to say where the file is on a disk instead of in memory.
std::string disk_warning(int descriptor, const std::string& path) {
  struct statfs status {};
  if (::fstatfs(descriptor, &status) != 0) return {};
  if (status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC) return {};
  return fmt::format(
      "stats region {} is on a disk: writing it back can delay the server; put it on a file system "
      "in memory (CPSS_STATS_FILE=/dev/shm/...)",
      path);
}

}  // namespace

void require_place_for_region(const std::string& path) {
  generation_at(path);
}

RegionFile make_region_file(const std::string& path, const RegionOptions& options) {
  const RegionPlan plan(options);
  const std::uint64_t generation = generation_at(path) + 1;
  NewFile file(path, plan.file_bytes);
  RegionFile result{FileDescriptor(), nullptr, plan.troubles, plan.first_block, plan.block_bytes,
                    disk_warning(file.descriptor(), path)};
  const bool locked = lock_region(file.descriptor());
  try {
    result.mapping = std::make_unique<FileMapping>(file.descriptor(), plan.file_bytes,
                                                   FileMapping::Access::write);
  } catch (const std::system_error& error) {
    throw StatsRegionError(fmt::format("cannot map stats region {}: {}", path, error.what()),
                           error.code().value());
  }
  describe_region(result.mapping->data(), plan, options, generation, locked);
  result.file = file.put_into_place();
  return result;
}

}  // namespace cpss
