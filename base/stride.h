// The distance between windows of memory that are used in turn.
#pragma once

#include <cstddef>

namespace cpss {

// From window to window: an odd number of cache lines, so that the windows' first lines, the only
// ones that most windows use, fall into different cache sets. With a stride of 1,024 bytes they
// would share 4 of 64 sets.
constexpr std::size_t stride_of(std::size_t window_bytes) {
  constexpr std::size_t kLine = 64;
  return ((window_bytes + kLine - 1) / kLine | 1) * kLine;
}

}  // namespace cpss
