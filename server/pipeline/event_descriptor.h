// An eventfd(2) for NativePlatform::signal() and drain().
#pragma once

#include <cerrno>
#include <system_error>

#include <sys/eventfd.h>

namespace cpss {

// `flags`: EFD_SEMAPHORE, or none. The caller closes it. Throws std::system_error.
inline int make_event(int flags = 0) {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | flags);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  return fd;
}

}  // namespace cpss
