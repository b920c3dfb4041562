#include "queue/platform.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <ctime>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace cpss {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the futex word is the low half, taken to be the first four bytes");
static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "used in shared memory");

long futex(const std::atomic<std::uint64_t>& word, int operation, Scope scope, std::uint32_t value,
           const timespec* deadline) noexcept {
  const int flag = scope == Scope::process_private ? FUTEX_PRIVATE_FLAG : 0;
  return syscall(SYS_futex, &word, operation | flag, value, deadline, nullptr,
                 FUTEX_BITSET_MATCH_ANY);
}

}  // namespace

bool NativePlatform::park(const std::atomic<std::uint64_t>& word, std::uint32_t expected,
                          Scope scope, Deadline deadline) noexcept {
  timespec until{};
  if (deadline != kNoDeadline) {
    // The kernel refuses negative times; a deadline before boot has passed anyway.
    const auto since_boot = std::max(deadline, Deadline{}).time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
    until.tv_sec = static_cast<time_t>(seconds.count());
    until.tv_nsec = static_cast<long>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(since_boot - seconds).count());
  }
  // FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC time: futex(2).
  const long result =
      futex(word, FUTEX_WAIT_BITSET, scope, expected, deadline == kNoDeadline ? nullptr : &until);
  return result == 0 || errno != ETIMEDOUT;
}

void NativePlatform::unpark(const std::atomic<std::uint64_t>& word, int max, Scope scope) noexcept {
  futex(word, FUTEX_WAKE, scope, static_cast<std::uint32_t>(max), nullptr);
}

void NativePlatform::signal(int event_fd) noexcept {
  const std::uint64_t one = 1;
  // Fails only with EAGAIN at 2^64-2 unread signals: then the reader is awake anyway.
  [[maybe_unused]] const ssize_t written = write(event_fd, &one, sizeof one);
}

void NativePlatform::drain(int event_fd) noexcept {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = read(event_fd, &count, sizeof count);
}

}  // namespace cpss
