// The clock of the stats region, in ns: one for all processes of a machine.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace cpss {

// How far the clocks of this process's time namespace are ahead of the machine's; 0 in the initial
// one, and where the kernel has no time namespaces or /proc does not show their offsets.
struct ClockOffsets {
  std::int64_t monotonic_ns = 0;
  std::int64_t boottime_ns = 0;
};
// Read at the first call. Any thread.
const ClockOffsets& clock_offsets() noexcept;
// From the text of /proc/PID/timens_offsets (proc(5)); for the function above and its test.
ClockOffsets parse_clock_offsets(const char* text) noexcept;

// CLOCK_MONOTONIC of the initial time namespace, the same for every process of the machine: the
// clock of all times in the region. Any thread.
inline std::uint64_t machine_ns() noexcept {
  return monotonic_ns() - static_cast<std::uint64_t>(clock_offsets().monotonic_ns);
}

}  // namespace cpss
