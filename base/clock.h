// Clocks, in ns.
#pragma once

#include <cstdint>
#include <ctime>

namespace cpss {

inline std::uint64_t clock_ns(clockid_t clock) noexcept {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

// The one clock of the hot path, where it is read per batch, never per message. Never set back; the
// same for every process of a time namespace (time_namespaces(7)).
inline std::uint64_t monotonic_ns() noexcept {
  return clock_ns(CLOCK_MONOTONIC);
}

// CPU time that the calling thread has used. A system call.
inline std::uint64_t thread_cpu_ns() noexcept {
  return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

}  // namespace cpss
