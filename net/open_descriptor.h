// A descriptor that is closed on every way out of its scope, unless it is released.
#pragma once

#include <utility>

#include <unistd.h>

namespace cpss {

class OpenDescriptor {
 public:
  explicit OpenDescriptor(int fd) noexcept : fd_(fd) {}
  ~OpenDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  OpenDescriptor(const OpenDescriptor&) = delete;
  OpenDescriptor& operator=(const OpenDescriptor&) = delete;

  int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

}  // namespace cpss
