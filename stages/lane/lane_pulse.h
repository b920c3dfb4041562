// A sample of whether a lane moves. The watchdog compares it with the one before.
#pragma once

#include <cstdint>

namespace cpss {

// A lane that has ended, or has not begun, counts as waiting.
struct LanePulse {
  std::uint64_t rounds = 0;  // of the lane's steps, so far
  bool waiting = false;      // in its wait place, or in a long wait within a step
};

}  // namespace cpss
