// A growing pause between attempts at something that keeps failing: each failure in a row doubles
// the pause, up to a bound. A permanent failure then costs next to nothing, and after a single
// failure the caller soon tries again.
//
// Pure logic; times are monotonic_ns() (base/clock.h). One thread at a time.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "queue/platform.h"

namespace cpss {

class Backoff {
 public:
  using Pause = std::chrono::milliseconds;
  static constexpr Pause kMax{1000};

  constexpr explicit Backoff(Pause first = Pause(10), Pause max = kMax) noexcept
      : first_ns_(ns(first)), max_ns_(ns(max)) {}

  void failed(std::uint64_t now_ns) noexcept {
    pause_ns_ = pause_ns_ == 0 ? first_ns_ : std::min(2 * pause_ns_, max_ns_);
    not_before_ns_ = now_ns + pause_ns_;
  }
  void succeeded() noexcept { pause_ns_ = not_before_ns_ = 0; }
  // Allows the next try at once. If that one fails, the pause is as long as without this call.
  void end_pause() noexcept { not_before_ns_ = 0; }

  // The last try has failed.
  bool failing() const noexcept { return pause_ns_ != 0; }
  bool due(std::uint64_t now_ns) const noexcept { return now_ns >= not_before_ns_; }
  std::uint64_t pause_ns() const noexcept { return pause_ns_; }
  Deadline not_before() const noexcept {
    return Deadline(std::chrono::nanoseconds(not_before_ns_));
  }

 private:
  static constexpr std::uint64_t ns(Pause pause) noexcept {
    return static_cast<std::uint64_t>(std::chrono::nanoseconds(pause).count());
  }

  std::uint64_t first_ns_;
  std::uint64_t max_ns_;
  std::uint64_t pause_ns_ = 0;
  std::uint64_t not_before_ns_ = 0;
};

}  // namespace cpss
