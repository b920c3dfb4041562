#include "tools/numbers/output_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cpss::numbers_tool {
namespace {

constexpr mode_t kMode = 0644;

std::string temporary_for(const std::string& path) {
  return fmt::format("{}.{}.tmp", path, ::getpid());
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
    throw OutputError(fmt::format("standard output: {}", std::strerror(errno)));
}

OutputFile::OutputFile(std::string path) : path_(std::move(path)) {
  struct stat info {};
  // Nobody wants /dev/null to become a file.
  if (::lstat(path_.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISLNK(info.st_mode))
    throw OutputError(fmt::format("{}: cannot be replaced: it is no file", path_));
  file_ = FileDescriptor(::open(folder_of(path_).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, kMode));
  if (file_.valid()) return;
  temporary_ = temporary_for(path_);
  file_ =
      FileDescriptor(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kMode));
  if (!file_.valid()) {
    temporary_.clear();
    fail("cannot be made");
  }
}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot be written");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void OutputFile::finish() {
  if (::fsync(file_.get()) != 0) fail("cannot be written");
  if (temporary_.empty()) {
    const std::string own = fmt::format("/proc/self/fd/{}", file_.get());
    const std::string name = temporary_for(path_);
    if (::linkat(AT_FDCWD, own.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0)
      fail("cannot be given its name");
    temporary_ = name;
  }
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot be given its name");
  temporary_.clear();
  // Only with its folder is the name on the disk.
  const FileDescriptor folder(::open(folder_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.valid()) ::fsync(folder.get());
}

void OutputFile::fail(const char* what) const {
  throw OutputError(fmt::format("{}: {}: {}", path_, what, std::strerror(errno)));
}

}  // namespace cpss::numbers_tool
