#include "stats/region_care.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stats/location.h"
#include "stats/reader.h"
#include "stats/region_error.h"

namespace cpss {
namespace {

constexpr const char* kNotToBeRead =
    "this server's counters go on, but no reader finds them; restart it to have them again";

// Invalid if the folder is sticky, as /tmp is, or another process has locked it to clean it.
FileDescriptor lock_folder_of(const std::string& path) {
  FileDescriptor descriptor(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat status {};
  if (!descriptor.valid() || ::fstat(descriptor.get(), &status) != 0 ||
      (status.st_mode & S_ISVTX) != 0 || ::flock(descriptor.get(), LOCK_SH | LOCK_NB) != 0)
    return FileDescriptor();
  return descriptor;
}

// Names the file that has replaced the region `ours`. Called every second for any kind of file, so
// it reads the header alone.
std::string what_is_at(const std::string& path, const RegionFacts& ours) {
  const Reading reading = read_header(path);
  if (!reading.snapshot) return "a file that is no stats region";
  if (reading.snapshot->facts.same_server(ours)) return "a copy of it";
  if (!has_server(reading.state)) return "a region without a server";
  return fmt::format("the region of another server, process {}", reading.snapshot->facts.pid);
}

// If another user owns the file, this process may not set its times. It refreshes them by
// truncating the file to the size that it has: an open descriptor for writing is enough for that.
void refresh_times_of_lock(int fd) {
  struct stat status {};
  if (::futimens(fd, nullptr) == 0 || ::fstat(fd, &status) != 0) return;
  // A failure is not reported: the file is still ours.
  if (::ftruncate(fd, status.st_size) != 0) return;
}

}  // namespace

Named named_by(const std::string& path, int fd) noexcept {
  struct stat there {};
  struct stat ours {};
  if (::stat(path.c_str(), &there) != 0)
    return errno == ENOENT || errno == ENOTDIR ? Named::nothing : Named::unknown;
  if (::fstat(fd, &ours) != 0) return Named::unknown;
  return there.st_dev == ours.st_dev && there.st_ino == ours.st_ino ? Named::ours : Named::another;
}

RegionCare::RegionCare(std::string path, std::unique_ptr<ServerLock> lock)
    : path_(std::move(path)), lock_(std::move(lock)), folder_(lock_folder_of(path_)) {}

std::vector<std::string> RegionCare::look(TimePoint now, const Ours& region) {
  next_look_ = now + kLook;
  if (now >= next_refresh_) {
    next_refresh_ = now + kRefresh;
    refresh_times(region.descriptor);
  }
  std::vector<std::string> lines;
  for (const std::string& line : {look_at_region(region), look_at_lock_file()})
    if (!line.empty()) lines.push_back(line);
  return lines;
}

// Failures are not reported: the files are still ours.
void RegionCare::refresh_times(int region) {
  ::futimens(region, nullptr);
  refresh_times_of_lock(lock_->descriptor());
  if (!folder_.valid()) folder_ = lock_folder_of(path_);
}

std::string RegionCare::look_at_region(const Ours& region) {
  std::string now = what_is_wrong_with(region);
  return std::exchange(told_of_region_, now) == now ? "" : now;
}

std::string RegionCare::what_is_wrong_with(const Ours& region) const {
  if (!region.misplaced.empty())
    return fmt::format(
        "{}; until it is in place no reader finds this server's counters: that is tried again "
        "every second, and said once",
        region.misplaced);
  switch (named_by(path_, region.descriptor)) {
    case Named::ours:
    case Named::unknown:
      if (region.truncated)
        return fmt::format(
            "stats region {} was cut short: its counters have begun again at 0 and do not balance; "
            "restart the server to have it whole",
            path_);
      break;
    case Named::nothing:
      return fmt::format("stats region {} was removed: {}", path_, kNotToBeRead);
    case Named::another:
      return fmt::format("stats region {} was replaced by {}: {}", path_,
                         what_is_at(path_, region.facts), kNotToBeRead);
  }
  return {};
}

// Gives up the lock on the file that has lost its name only when it has a new one.
std::string RegionCare::look_at_lock_file() {
  const Named named = named_by(lock_->path(), lock_->descriptor());
  if (named == Named::ours || named == Named::unknown) return {};
  try {
    lock_ = std::make_unique<ServerLock>(lock_->path(), path_);
    told_of_lock_.clear();
    return fmt::format("lock file {} was removed or replaced: it is made and locked again",
                       lock_->path());
  } catch (const StatsRegionError& error) {
    std::string now =
        fmt::format("lock file {} was removed or replaced: {}", lock_->path(), error.what());
    return std::exchange(told_of_lock_, now) == now ? "" : now;
  }
}

}  // namespace cpss
