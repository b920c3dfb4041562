#include "stats/region_lock.h"

#include <cerrno>

#include <sys/file.h>

namespace cpss {

bool lock_region(int fd) noexcept {
  return ::flock(fd, LOCK_EX | LOCK_NB) == 0;
}

RegionLock look_at_lock(int fd) noexcept {
  if (::flock(fd, LOCK_SH | LOCK_NB) == 0) {
    ::flock(fd, LOCK_UN);
    return RegionLock::free;
  }
  return errno == EWOULDBLOCK ? RegionLock::held : RegionLock::unknown;
}

}  // namespace cpss
