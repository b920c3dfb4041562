// The plan of an open loop: when each message is to be sent, whatever became of those before it.
//
// Messages are numbered from 0; times are in ns from the beginning of the run. The plan is
// computed, not stepped through, so no rounding adds up and nothing ever shifts it.
//
// Plain value, any thread.
#pragma once

#include <cstdint>

namespace cpss::udpblast {

class Schedule {
 public:
  // `per_second` messages a second (not 0), evenly.
  static Schedule at_rate(std::uint64_t per_second) noexcept {
    return {per_second, 1'000'000'000, true};
  }
  // `size` messages at once (not 0), every `gap_ns` (not 0), the first ones at 0.
  static Schedule in_bursts(std::uint64_t size, std::uint64_t gap_ns) noexcept {
    return {size, gap_ns, false};
  }

  std::uint64_t planned_ns(std::uint64_t message) const noexcept {
    const std::uint64_t within = evenly_ ? message % messages_ * period_ns_ / messages_ : 0;
    return message / messages_ * period_ns_ + within;
  }
  // How many messages are planned for `at_ns` or earlier.
  std::uint64_t due_by(std::uint64_t at_ns) const noexcept {
    if (!evenly_) return (at_ns / period_ns_ + 1) * messages_;
    const std::uint64_t rest = (at_ns + 1) % period_ns_ * messages_;
    return (at_ns + 1) / period_ns_ * messages_ + (rest + period_ns_ - 1) / period_ns_;
  }
  // The time that the first `count` messages stand for, up to the one after them, whole bursts.
  std::uint64_t span_ns(std::uint64_t count) const noexcept {
    return evenly_ ? planned_ns(count) : (count + messages_ - 1) / messages_ * period_ns_;
  }
  double messages_per_second() const noexcept {
    return static_cast<double>(messages_) * 1e9 / static_cast<double>(period_ns_);
  }

 private:
  Schedule(std::uint64_t messages, std::uint64_t period_ns, bool evenly) noexcept
      : messages_(messages), period_ns_(period_ns), evenly_(evenly) {}

  std::uint64_t messages_;  // in each period
  std::uint64_t period_ns_;
  bool evenly_;  // spread over the period; or all at its beginning
};

inline constexpr std::uint64_t kHighestRate = 10'000'000;  // messages a second: -Q
inline constexpr std::uint64_t kLargestBurst = 1'000'000;  // messages
inline constexpr double kShortestGapMs = 0.001;            // between bursts
inline constexpr double kLongestGapMs = 3'600'000;         // likewise

}  // namespace cpss::udpblast
