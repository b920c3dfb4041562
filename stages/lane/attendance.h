// Which lanes of a work-sharing server attend, and how others are called.
//
// Lanes that all do the same (server/models/seda.cpp) are of three kinds at any time:
//
//   attending   awake, or asleep where sockets and queues wake it
//   away        asleep where only a call wakes it, or a time-out: there are as many attending lanes
//               as CPUs already; or the last datagrams that woke it were too few to be worth it; or
//               it had to share its CPU (crowding.h)
//   blocked     inside a deferred message, for any length of time
//
// Invariants
//   A1  At least one lane attends, or a lane that is away has been called, or will look after a
//       time-out.
//   A2  At least one lane is not blocked, until the end (end()): messages that are not deferred
//       never wait for those that are.
//
// Proof: the numbers of lanes of the first two kinds are one word. A lane goes away only while
// another attends, and blocks only while another is not blocked: both decided by compare-exchange
// on that word. The one that blocks sees in it whether lanes are away, and then calls one; a lane
// that goes away after it sees that it has left. tests/spin/attendance.pml tries every order.
//
// A call is one count of an eventfd(2) in semaphore mode: exactly one lane reads it, and comes
// back. So a call is never lost, and may come when it is no longer needed: that costs a look.
//
// Any lane. Memory orders: acq_rel, though nothing but the word is handed over.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "queue/platform.h"

namespace cpss {

class Attendance {
 public:
  // `lanes` attend at first. `call_event`: an eventfd, non-blocking, EFD_SEMAPHORE; the caller's.
  Attendance(std::uint32_t lanes, int call_event) noexcept
      : word_(lanes), call_event_(call_event) {}

  int call_event() const noexcept { return call_event_; }

  // The calling lane, which attends, goes away if more than `others` lanes attend. True: it is
  // away, and sleeps until call_event() is readable or some time has passed; then come_back().
  bool go_away(std::uint32_t others) noexcept {
    std::uint64_t seen = word_.load(std::memory_order_relaxed);
    while (attending(seen) > others)
      if (word_.compare_exchange_weak(seen, seen - 1 + kOneAway, std::memory_order_acq_rel,
                                      std::memory_order_relaxed))
        return true;
    return false;
  }
  // `called`: call_event() was readable.
  void come_back(bool called) noexcept {
    if (called) NativePlatform::drain(call_event_);
    word_.fetch_add(1 - kOneAway, std::memory_order_acq_rel);
  }

  // How long a lane is away that was woken in vain. Long enough that it costs next to nothing, and
  // short enough that it is no matter if the lanes that attend are held up meanwhile.
  static constexpr std::chrono::milliseconds kAway{2};
  // The same for a lane that had to share its CPU: longer each time, as long as lanes have to.
  std::chrono::milliseconds next_time_away() noexcept {
    const std::uint32_t time = away_ms_.load(std::memory_order_relaxed);
    away_ms_.store(std::min(2 * time, kLongestAwayMs), std::memory_order_relaxed);
    had_to_share_.store(true, std::memory_order_relaxed);
    return std::chrono::milliseconds(time);
  }
  // Lanes have had to share their CPUs lately.
  bool crowded() const noexcept {
    return away_ms_.load(std::memory_order_relaxed) != kAway.count();
  }
  void there_is_room() noexcept {
    if (crowded())
      away_ms_.store(static_cast<std::uint32_t>(kAway.count()), std::memory_order_relaxed);
  }
  // Main calls it ten times a second: that lanes had to share says nothing a second later, and
  // lanes that have too little to do look no more.
  void age() noexcept {
    if (had_to_share_.exchange(false, std::memory_order_relaxed))
      quiet_ticks_ = 0;
    else if (++quiet_ticks_ >= kQuietTicks)
      there_is_room();
  }

  // The calling lane, which attends, is about to block. False: it must not, because all others do.
  bool begin_blocking() noexcept {
    std::uint64_t seen = word_.load(std::memory_order_relaxed);
    do {
      if (attending(seen) + away(seen) <= 1 && !ends()) return false;
    } while (!word_.compare_exchange_weak(seen, seen - 1, std::memory_order_acq_rel,
                                          std::memory_order_relaxed));
    if (away(seen) > 0) NativePlatform::signal(call_event_);
    return true;
  }
  void end_blocking() noexcept { word_.fetch_add(1, std::memory_order_acq_rel); }
  // A guess: whether begin_blocking() would succeed.
  bool may_block() const noexcept {
    const std::uint64_t seen = word_.load(std::memory_order_relaxed);
    return attending(seen) + away(seen) > 1 || ends();
  }

  // Guesses, true at some moment during the call.
  std::uint32_t attending() const noexcept {
    return attending(word_.load(std::memory_order_relaxed));
  }
  std::uint32_t away() const noexcept { return away(word_.load(std::memory_order_relaxed)); }
  // Calls a lane that is away, if one is.
  void call() noexcept {
    if (away() > 0) NativePlatform::signal(call_event_);
  }

  // All lanes that attend are held up inside the service: one that is called receives, and leaves
  // to them what it has received. Set by main, ended by the first that comes out; or by main, which
  // may have set it just after that.
  void set_held_up(bool held_up) noexcept { held_up_.store(held_up, std::memory_order_relaxed); }
  bool held_up() const noexcept { return held_up_.load(std::memory_order_relaxed); }
  void came_out() noexcept {
    if (held_up()) set_held_up(false);
  }

  // The sockets need nobody any more: from here on every lane may block. Called by main, before it
  // closes the queues.
  void end() noexcept { ends_.store(true, std::memory_order_release); }

 private:
  static constexpr std::uint32_t kLongestAwayMs = 128;
  static constexpr std::uint32_t kQuietTicks = 10;
  static constexpr std::uint64_t kOneAway = std::uint64_t{1} << 32;
  static std::uint32_t attending(std::uint64_t word) noexcept {
    return static_cast<std::uint32_t>(word);
  }
  static std::uint32_t away(std::uint64_t word) noexcept {
    return static_cast<std::uint32_t>(word >> 32);
  }
  bool ends() const noexcept { return ends_.load(std::memory_order_acquire); }

  alignas(64) std::atomic<std::uint64_t> word_;
  std::atomic<bool> ends_{false};
  std::atomic<bool> held_up_{false};
  std::atomic<std::uint32_t> away_ms_{static_cast<std::uint32_t>(kAway.count())};
  std::atomic<bool> had_to_share_{false};
  std::uint32_t quiet_ticks_ = 0;  // main's alone
  const int call_event_;
};

}  // namespace cpss
