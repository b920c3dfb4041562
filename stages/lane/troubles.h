// The troubles that a lane is in just now. The main thread reads them and tells the stats region
// (server/daemon/trouble_watch.h).
//
// failed(), over(): one thread at a time for each kind; look(): any thread, in any process that
// shares the memory. Relaxed: only these values are handed over, nothing else.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include "stats/troubles.h"

namespace cpss {

class LaneTroubles {
 public:
  // `number`: as info(trouble).number says; not negative.
  void failed(Trouble trouble, int number = 0) noexcept {
    const std::uint64_t times = (word(trouble) >> kTimesShift) + 1;
    state(trouble).store(times << kTimesShift | kNow | static_cast<std::uint32_t>(number),
                         std::memory_order_relaxed);
  }
  void over(Trouble trouble) noexcept {
    if (const std::uint64_t now = word(trouble); (now & kNow) != 0)
      state(trouble).store(now & ~kNow, std::memory_order_relaxed);
  }

  struct Look {
    std::uint32_t times;  // failures so far; wraps round
    int number;           // of the last failure
  };
  // None: the lane is not in this trouble.
  std::optional<Look> look(Trouble trouble) const noexcept {
    const std::uint64_t now =
        states_[static_cast<std::size_t>(trouble)].load(std::memory_order_relaxed);
    if ((now & kNow) == 0) return std::nullopt;
    return Look{static_cast<std::uint32_t>(now >> kTimesShift),
                static_cast<int>(static_cast<std::uint32_t>(now) & kNumberMask)};
  }

 private:
  // times, 32 bits | in trouble, 1 bit | number, 31 bits
  static constexpr unsigned kTimesShift = 32;
  static constexpr std::uint64_t kNow = std::uint64_t{1} << 31;
  static constexpr std::uint32_t kNumberMask = 0x7fff'ffff;

  std::atomic<std::uint64_t>& state(Trouble trouble) noexcept {
    return states_[static_cast<std::size_t>(trouble)];
  }
  std::uint64_t word(Trouble trouble) noexcept {
    return state(trouble).load(std::memory_order_relaxed);
  }

  std::array<std::atomic<std::uint64_t>, kTroubles.size()> states_{};
};

}  // namespace cpss
