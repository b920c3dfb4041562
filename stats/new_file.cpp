#include "stats/new_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stats/location.h"
#include "stats/region_error.h"

namespace cpss {
namespace {

// Temporary names are taken only if another program makes files that look like ours.
constexpr int kAttempts = 100;

// The path by which linkat(2) gives a name to a file that has none.
std::string link_of(int fd) {
  return fmt::format("/proc/self/fd/{}", fd);
}

// Invalid if the file system has no files without names, or /proc no path to them.
FileDescriptor open_without_name(const std::string& path) {
  FileDescriptor file(
      ::open(folder_of(path).c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR));
  struct stat status {};
  if (file.valid() && ::stat(link_of(file.get()).c_str(), &status) != 0) return FileDescriptor();
  return file;
}

}  // namespace

NewFile::NewFile(std::string path, std::size_t bytes)
    : path_(std::move(path)), file_(open_without_name(path_)) {
  for (int attempt = 0; !file_.valid() && attempt < kAttempts; ++attempt) {
    other_name_ = name_for(attempt);
    file_ = FileDescriptor(
        ::open(other_name_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
    if (!file_.valid() && errno != EEXIST) break;
  }
  if (!file_.valid())
    throw StatsRegionError(
        fmt::format("cannot make stats region {}: {}: {}", path_, std::strerror(errno),
                    region_advice(errno, kChooseWritablePath)),
        errno);
  // Returns an error number and does not set errno (posix_fallocate(3)).
  int error = ::posix_fallocate(file_.get(), 0, static_cast<off_t>(bytes));
  if (error == 0 && ::fchmod(file_.get(), 0640) != 0) error = errno;
  if (error == 0) return;
  if (!other_name_.empty()) ::unlink(other_name_.c_str());
  throw StatsRegionError(
      fmt::format(
          "cannot reserve {} KiB for stats region {}: {}: {}", (bytes + 1023) / 1024, path_,
          std::strerror(error),
          region_advice(error, "make room there, or choose another path (CPSS_STATS_FILE)")),
      error);
}

NewFile::NewFile(NewFile&& other) noexcept
    : path_(std::move(other.path_)),
      other_name_(std::exchange(other.other_name_, {})),
      file_(std::move(other.file_)),
      in_place_(other.in_place_) {}

NewFile::~NewFile() {
  if (!other_name_.empty()) ::unlink(other_name_.c_str());
}

std::string NewFile::name_for(int attempt) const {
  return fmt::format("{}.{}-{}", path_, ::getpid(), attempt);
}

int NewFile::give_other_name() noexcept {
  const std::string link = link_of(file_.get());
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const std::string name = name_for(attempt);
    if (::linkat(AT_FDCWD, link.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0) {
      other_name_ = name;
      return 0;
    }
    if (errno != EEXIST) return errno;
  }
  return EEXIST;
}

// linkat(2) replaces nothing, rename(2) does.
int NewFile::put_into_place() noexcept {
  if (other_name_.empty())
    if (const int error = give_other_name(); error != 0) return error;
  if (::rename(other_name_.c_str(), path_.c_str()) != 0) return errno;
  other_name_.clear();
  in_place_ = true;
  return 0;
}

}  // namespace cpss
