// How far apart windows of memory lie that are used in turn.
#pragma once

#include <cstddef>

namespace cpss::udpblast {

// An odd number of cache lines, so that the windows' first lines fall into different cache sets.
constexpr std::size_t stride_for(std::size_t bytes) {
  constexpr std::size_t kCacheLine = 64;
  return ((bytes + kCacheLine - 1) / kCacheLine | 1) * kCacheLine;
}

}  // namespace cpss::udpblast
