// When an open loop has to send its messages, and what becomes of each.
//
//   SendTimes      when each message of a run is to be sent, whatever became of those before it. It
//                  is computed, not stepped through, so no rounding adds up and nothing shifts it.
//   ScheduleShare  one thread's messages: every `stride`-th from `first` on, so that the threads of
//                  a run are out of phase and their messages are evenly spread together.
//   SendSchedule   the share, gone through in order. A message is sent, however late, or it is
//                  missed for good: if there is no room for it among those under way, if the kernel
//                  has taken nothing for kHopelessNs, or if the run ends when it is due but not
//                  sent; messages due later than that are no longer planned. None is forgotten
//                  (planned = sent + missed), and none changes the time of those after it.
//
// Messages are numbered from 0; times are in ns from the beginning of the run, in SendSchedule
// monotonic_ns(). SendTimes and ScheduleShare are plain values; a SendSchedule belongs to one
// thread. Nothing is allocated.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "tools/udpblast/tally.h"

namespace cpss::udpblast {

inline constexpr std::uint64_t kHighestRate = 10'000'000;  // messages a second: -Q
inline constexpr std::uint64_t kLargestBurst = 1'000'000;  // messages
inline constexpr double kShortestGapMs = 0.001;            // between bursts
inline constexpr double kLongestGapMs = 3'600'000;         // likewise

inline constexpr std::uint64_t kHopelessNs = 1'000'000'000;
// How long after its time limit a run goes on sending messages that were due before.
inline constexpr std::uint64_t kCatchUpNs = 1'000'000'000;

class SendTimes {
 public:
  // `per_second` messages a second (not 0), evenly.
  static SendTimes at_rate(std::uint64_t per_second) noexcept {
    return {per_second, 1'000'000'000, true};
  }
  // `size` messages at once (not 0), every `gap_ns` (not 0), the first ones at 0.
  static SendTimes in_bursts(std::uint64_t size, std::uint64_t gap_ns) noexcept {
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
  // How long the first `count` messages take by plan: up to the message after them; in bursts, up
  // to the next burst.
  std::uint64_t span_ns(std::uint64_t count) const noexcept {
    return evenly_ ? planned_ns(count) : (count + messages_ - 1) / messages_ * period_ns_;
  }
  double messages_per_second() const noexcept {
    return static_cast<double>(messages_) * 1e9 / static_cast<double>(period_ns_);
  }

 private:
  SendTimes(std::uint64_t messages, std::uint64_t period_ns, bool evenly) noexcept
      : messages_(messages), period_ns_(period_ns), evenly_(evenly) {}

  std::uint64_t messages_;  // in each period
  std::uint64_t period_ns_;
  bool evenly_;  // spread over the period; false: all at its beginning
};

struct ScheduleShare {
  SendTimes times;
  std::uint64_t end = 0;     // messages of the whole run
  std::uint32_t first = 0;   // this thread's number
  std::uint32_t stride = 1;  // threads
};

// All its times are monotonic_ns().
class SendSchedule {
 public:
  // `start_ns`: the beginning of the run. `ends_ns`: its time limit, if it has one. `tally`
  // outlives this.
  SendSchedule(const ScheduleShare& share, std::uint64_t start_ns,
               std::optional<std::uint64_t> ends_ns, Tally& tally) noexcept
      : share_(share), start_ns_(start_ns), next_(share.first), tally_(tally) {
    if (ends_ns) last_chance_ns_ = *ends_ns + kCatchUpNs;
  }

  // How many of the next messages are due, at most `max`.
  std::size_t due(std::uint64_t now_ns, std::size_t max) const noexcept {
    return static_cast<std::size_t>(std::min<std::uint64_t>(max, from(next_, due_end(now_ns))));
  }
  // The next message of this thread, or the one `ahead` after it; and when it is planned.
  std::uint64_t message(std::size_t ahead = 0) const noexcept {
    return next_ + ahead * share_.stride;
  }
  std::uint64_t planned_ns(std::size_t ahead = 0) const noexcept {
    return start_ns_ + share_.times.planned_ns(message(ahead));
  }

  // The kernel took the next `count` of those due; `after_ns`: the time after that.
  void sent(std::size_t count, std::uint64_t after_ns) noexcept {
    for (std::size_t i = 0; i < count; ++i) tally_.record_lag(after_ns - planned_ns(i));
    advance(count);
    if (count > 0) blocked_since_ns_.reset();
  }
  // There was no room for the next `count` of those due.
  void missed(std::size_t count) noexcept {
    tally_.add(Count::missed, count);
    advance(count);
  }
  // The kernel did not take all it was given. After kHopelessNs of that, all that are due are
  // missed.
  void blocked(std::uint64_t now_ns) noexcept {
    if (!blocked_since_ns_) blocked_since_ns_ = now_ns;
    if (now_ns - *blocked_since_ns_ < kHopelessNs) return;
    missed(due(now_ns, ~std::size_t{0}));
  }
  // The run ends here: messages that are due but not sent are missed, later ones are not planned.
  void end(std::uint64_t now_ns) noexcept {
    share_.end = std::min(share_.end, std::max(due_end(now_ns), next_));
    missed(static_cast<std::size_t>(from(next_, share_.end)));
  }
  // Whether there is nothing more to send.
  bool done(std::uint64_t now_ns) noexcept {
    if (last_chance_ns_ && now_ns >= *last_chance_ns_) end(now_ns);
    return next_ >= share_.end;
  }
  // Messages of this thread, in all.
  std::uint64_t planned() const noexcept { return from(share_.first, share_.end); }

 private:
  // The first message of the run that is not due.
  std::uint64_t due_end(std::uint64_t now_ns) const noexcept {
    return now_ns < start_ns_ ? 0 : std::min(share_.end, share_.times.due_by(now_ns - start_ns_));
  }
  // How many messages this thread has from `message`, one of its own, to before `end`.
  std::uint64_t from(std::uint64_t message, std::uint64_t end) const noexcept {
    return message >= end ? 0 : (end - message + share_.stride - 1) / share_.stride;
  }
  void advance(std::size_t count) noexcept { next_ += count * share_.stride; }

  ScheduleShare share_;
  std::uint64_t start_ns_;
  std::uint64_t next_;
  Tally& tally_;
  std::optional<std::uint64_t> last_chance_ns_;
  std::optional<std::uint64_t> blocked_since_ns_;
};

}  // namespace cpss::udpblast
