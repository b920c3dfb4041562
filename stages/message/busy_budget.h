// Limits the busy replies of the whole server: at most a given number a second.
//
// A virtual schedule (the generic cell rate algorithm, ITU-T I.371, Annex A): each reply moves the
// time up to which the budget is spent by one interval, and never past now. Unused budget is saved
// up for 10 ms, or for one reply. So in any second the server sends at most the rate plus that
// burst: a hundredth of the rate, at least one.
//
// Thread-safety: any lane may call take(), once for each batch that it sheds, never for each
// message. A cache line of its own, because lanes that shed write to it again and again.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace cpss {

class alignas(64) BusyBudget {
 public:
  // `per_second` 0: none at all.
  explicit BusyBudget(std::uint32_t per_second) noexcept
      : interval_ns_(per_second == 0 ? 0 : (kSecond + per_second - 1) / per_second),
        burst_ns_(std::max(kBurst, interval_ns_)) {}

  // Takes up to `wanted` replies at `now_ns` (monotonic_ns() of base/clock.h); returns how many.
  std::uint32_t take(std::uint32_t wanted, std::uint64_t now_ns) noexcept {
    if (interval_ns_ == 0 || wanted == 0) return 0;
    // Relaxed: the lanes agree on this number alone.
    std::uint64_t spent = spent_until_ns_.load(std::memory_order_relaxed);
    for (;;) {
      const std::uint64_t from = std::max(spent, now_ns > burst_ns_ ? now_ns - burst_ns_ : 0);
      const std::uint64_t room = now_ns > from ? (now_ns - from) / interval_ns_ : 0;
      const auto granted = static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, room));
      if (granted == 0) return 0;
      if (spent_until_ns_.compare_exchange_weak(spent, from + granted * interval_ns_,
                                                std::memory_order_relaxed))
        return granted;
    }
  }

 private:
  static constexpr std::uint64_t kSecond = 1'000'000'000;
  static constexpr std::uint64_t kBurst = 10'000'000;

  const std::uint64_t interval_ns_;
  const std::uint64_t burst_ns_;
  std::atomic<std::uint64_t> spent_until_ns_{0};
};

}  // namespace cpss
