// Whether a lane moves, at one look: what the watchdog compares from look to look.
#pragma once

#include <cstdint>

namespace cpss {

// A lane that has ended, or has not begun, counts as waiting.
struct LanePulse {
  std::uint64_t rounds = 0;  // of its steps, so far
  bool waiting = false;      // where it may wait, in its place or within a step
};

}  // namespace cpss
