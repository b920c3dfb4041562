// A loop waits here: for datagrams to read, or for a time, to the nanosecond.
//
// One thread. Nothing is allocated after construction.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include <sys/epoll.h>

#include "base/file_descriptor.h"

namespace cpss::udpblast {

class SocketWait {
 public:
  SocketWait();  // throws SocketError

  // wait() returns `index` when the descriptor is readable. Throws SocketError.
  void add(int descriptor, std::uint32_t index);

  // Waits until there is something to read, at most until `until_ns`; not at all if that has
  // passed. Returns the indexes of the readable sockets, none if the time is over or the wait
  // failed; valid until the next call. Times are monotonic_ns().
  std::span<const std::uint32_t> wait(std::uint64_t now_ns, std::uint64_t until_ns) noexcept;
  // Why the last wait failed, and so ended at once (errno); 0: it did not fail.
  int error() const noexcept { return error_; }

 private:
  static constexpr std::size_t kEvents = 64;

  FileDescriptor epoll_;
  int error_ = 0;
  std::array<epoll_event, kEvents> events_{};
  std::array<std::uint32_t, kEvents> indexes_{};
};

}  // namespace cpss::udpblast
