#include "stats/server_lock.h"

#include <cerrno>
#include <cstring>
#include <mutex>
#include <set>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stats/region_error.h"

namespace cpss {
namespace {

using FileIdentity = std::pair<dev_t, ino_t>;

// The lock files this process holds.
struct Held {
  std::mutex mutex;
  std::set<FileIdentity> files;
};
Held& held() {
  static Held instance;
  return instance;
}

FileIdentity identity_of(const struct stat& status) {
  return {status.st_dev, status.st_ino};
}

[[noreturn]] void throw_held(const std::string& region, pid_t holder) {
  const std::string who = holder > 0 ? fmt::format("process {}", holder)
                                     : std::string("a process that is not visible from here");
  throw held_by_another_server(region, who);
}

[[noreturn]] void throw_errno(const std::string& path, int code) {
  throw StatsRegionError(fmt::format("cannot lock {}: {}: {}", path, std::strerror(code),
                                     region_advice(code, kChooseWritablePath)),
                         code);
}

constexpr int kOpen = O_RDWR | O_NOFOLLOW | O_CLOEXEC;

// Invalid, with errno, if the file is missing or cannot be opened. Without O_CREAT: with it the
// kernel refuses another user's file in a folder like /tmp even to root (fs.protected_regular,
// proc(5)).
FileDescriptor open_existing(const std::string& path) {
  return FileDescriptor(::open(path.c_str(), kOpen));
}

FileDescriptor open_or_make(const std::string& path) {
  // Other processes may make and remove it between the two calls.
  constexpr int kAttempts = 10;
  for (int attempt = 0;; ++attempt) {
    FileDescriptor file = open_existing(path);
    if (file.valid() || errno != ENOENT) return file;
    file = FileDescriptor(::open(path.c_str(), kOpen | O_CREAT | O_EXCL, 0640));
    if (file.valid() || errno != EEXIST || attempt == kAttempts) return file;
  }
}

void lock_or_throw(int fd, const std::string& path, const std::string& region) {
  // The holder may end between the two calls; then its lock is free and worth another attempt.
  constexpr int kAttempts = 10;
  struct flock lock {};
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    lock = {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    if (::fcntl(fd, F_SETLK, &lock) == 0) return;
    if (errno != EAGAIN && errno != EACCES) throw_errno(path, errno);
    if (::fcntl(fd, F_GETLK, &lock) != 0) throw_errno(path, errno);
    if (lock.l_type != F_UNLCK) break;
  }
  throw_held(region, lock.l_pid);
}

}  // namespace

void require_place_for_lock(const std::string& path) {
  if (!open_existing(path).valid() && errno != ENOENT) throw_errno(path, errno);
}

ServerLock::ServerLock(const std::string& path, const std::string& region) : path_(path) {
  const std::lock_guard guard(held().mutex);
  struct stat status {};
  // Before the file is opened: closing it again would drop the lock that this process has.
  if (::stat(path.c_str(), &status) == 0 && held().files.contains(identity_of(status)))
    throw_held(region, ::getpid());
  file_ = open_or_make(path);
  if (!file_.valid() || ::fstat(file_.get(), &status) != 0) throw_errno(path, errno);
  lock_or_throw(file_.get(), path, region);
  identity_ = identity_of(status);
  held().files.insert(identity_);
}

ServerLock::~ServerLock() {
  const std::lock_guard guard(held().mutex);
  held().files.erase(identity_);
  file_ = FileDescriptor();
}

}  // namespace cpss
