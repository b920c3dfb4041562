// A counting semaphore: post many, take many, close, private or process-shared.
//
// A token stands for something that its poster made visible before the post. A call enters the
// kernel only if a thread waits. One post wakes one waiter; a waiter that leaves tokens behind
// wakes the next. While a wake-up is on its way posts send no further one, unless the tokens have
// doubled since: the woken waiter may stand still, because other threads have its CPU.
// (std::counting_semaphore of libstdc++ 12 loses wake-ups: GCC PR 98033, PR 104928.)
//
// Thread-safety: all functions may be called by any thread; by any process that maps the memory if
// the scope is process_shared. Holds no pointer. Must not be destroyed or unmapped while a call
// runs.
//
// The state is one 64-bit word:
//
//    63     59 58          32  31      30       29            0
//   +---------+--------------+------+---------+----------------+
//   |  width  |   waiters    |closed| pending |     value      |     the low half is the futex word
//   +---------+--------------+------+---------+----------------+
//
//   value    tokens free to be taken
//   waiters  threads between "counted as waiter" and "counted out"; each counts itself in and out
//            (27 bits: Linux has at most 2^22 threads, proc_sys_kernel(5), pid_max)
//   pending  a wake-up is on its way to some waiter, which clears it; meanwhile posts send none
//            while std::bit_width(value) <= width
//   width    std::bit_width of the value for which the last wake-up was sent; 0 if none is pending
//
// Invariants
//   S1  value never exceeds kMaxValue; a post that would exceed it aborts.
//   S2  If value > 0 and waiters > 0, then pending is set or some waiter is awake and will look.
//   S3  pending is set only with waiters > 0, and every waiter clears it before it sleeps: the
//       futex word it sleeps on is exactly 0 (no value, not pending, not closed). So a wake-up can
//       neither be forgotten (S2) nor get stuck: if it found no thread asleep, the waiter it was
//       meant for has not slept yet and will not. (A waiter that sleeps on the eventfd need not
//       clear it if begin_wait() found nothing: the signal that goes with the mark is yet to come,
//       or can still be read, or was read by a waiter that is awake and will look.)
//   S4  A take that reports 0 tokens has taken none.
//   S5  While pending is set no waiter has looked since it was set: each look clears pending and
//       width. So each wake-up sent meanwhile has reached another sleeper, or there was none; and a
//       post sends one each time value comes to need more bits than width. So woken waiters that
//       stand still (or posters that stand still between mark and wake-up) keep from the other
//       sleepers fewer than twice the tokens of the last wake-up: then the next sleeper is woken.
//       And between two looks at most bit_width(kMaxValue) posts wake a waiter.
//
// S5 does not help a token that no further one follows: remind() does.
//
// Memory orders: post is a release, take an acquire, both read-modify-writes on one word, so a
// taker synchronises with every post before it in the word's modification order (release sequence),
// not only with the one whose token it got.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <new>

#include "queue/invariant.h"
#include "queue/platform.h"

namespace cpss {

// How a sleeping waiter is woken.
struct WakeOptions {
  Scope scope = Scope::process_private;
  // An eventfd(2), non-blocking, owned by the caller, for waiters that also wait for other
  // descriptors: they call begin_wait(), poll it, and call poll_wait(). -1: take() sleeps on a
  // futex.
  int event_fd = -1;
};

struct PostResult {
  std::uint32_t value = 0;  // tokens that were free right after this post: exact at that instant
  std::uint32_t wakes = 0;  // system calls made to wake a waiter: 0 or 1
};

enum class TakeStatus : std::uint8_t { taken, closed, timed_out, waiting };

struct TakeResult {
  TakeStatus status = TakeStatus::waiting;
  std::uint32_t tokens = 0;  // > 0 exactly when status is taken
  std::uint32_t wakes = 0;   // system calls made to wake the next waiter
};

template <class Platform>
class alignas(64) BasicSemaphore {
 public:
  static constexpr std::uint32_t kMaxValue = (std::uint32_t{1} << 30) - 1;

  explicit BasicSemaphore(std::uint32_t value = 0, WakeOptions wake = {}) noexcept
      : state_(value), event_fd_(wake.event_fd), scope_(wake.scope) {
    invariant(value <= kMaxValue, "semaphore starts within its range");
  }

  // Adds n tokens.
  PostResult post(std::uint32_t n) noexcept {
    std::uint64_t seen = state_.load(std::memory_order_relaxed);
    for (;;) {
      invariant(n <= kMaxValue - value_of(seen), "semaphore value stays within its range (S1)");
      std::uint64_t next = seen + n;
      const bool wake = waiters_of(seen) > 0 && wakes_again(seen, value_of(next));
      if (wake) next = pending_for(next);
      if (state_.compare_exchange_weak(seen, next, Steps::kPost, std::memory_order_relaxed)) {
        if (wake) wake_one();
        return {value_of(next), wake ? 1u : 0u};
      }
    }
  }

  // Takes up to `max` tokens, but no more than an even share among `sharers` lanes, rounded up.
  // Never waits.
  std::uint32_t try_take(std::uint32_t max, std::uint32_t sharers = 1) noexcept {
    std::uint64_t seen = state_.load(std::memory_order_relaxed);
    while (value_of(seen) > 0) {
      const std::uint32_t tokens = share(value_of(seen), max, sharers);
      if (state_.compare_exchange_weak(seen, seen - tokens, Steps::kTake,
                                       std::memory_order_relaxed))
        return tokens;
    }
    return 0;
  }

  // Takes 1 to `max` tokens, waiting for them until `deadline`. A closed semaphore gives its
  // remaining tokens and then returns `closed`. For semaphores that wake by futex.
  TakeResult take(std::uint32_t max, std::uint32_t sharers = 1,
                  Deadline deadline = kNoDeadline) noexcept {
    if (const std::uint32_t tokens = try_take(max, sharers); tokens > 0)
      return {TakeStatus::taken, tokens, 0};
    begin_wait();
    for (bool in_time = true;;) {
      const TakeResult result = Steps::taken(poll_wait(max, sharers), in_time);
      if (result.status != TakeStatus::waiting) return result;
      if (!in_time) return {TakeStatus::timed_out, 0, end_wait()};
      Platform::pause(PausePoint::semaphore_registered);
      in_time = sleep(deadline);
      Platform::pause(PausePoint::semaphore_woken);
    }
  }

  // A wait in steps, for waiters that sleep elsewhere (an epoll with the eventfd in it).
  // begin_wait() counts the caller in and returns whether there is anything to take or to learn,
  // in which case the caller must not sleep yet. Then it repeats poll_wait(), sleeping in between,
  // until it returns something other than `waiting`; or it gives up with end_wait().
  bool begin_wait() noexcept {
    const std::uint64_t seen = state_.fetch_add(kOneWaiter, std::memory_order_relaxed);
    return value_of(seen) > 0 || (seen & kClosed) != 0;
  }

  // One look by a counted waiter: takes tokens and counts the caller out, or leaves it counted and
  // returns `waiting`. `closed` counts it out too.
  TakeResult poll_wait(std::uint32_t max, std::uint32_t sharers = 1) noexcept {
    // Before the word is read, so that a signal that comes later is not swallowed.
    if (event_fd_ >= 0) Platform::drain(event_fd_);
    std::uint64_t seen = state_.load(std::memory_order_relaxed);
    for (;;) {
      const std::uint32_t value = value_of(seen);
      if (value == 0 && (seen & kClosed) == 0) {
        if (!Steps::clears_mark((seen & kPending) != 0)) return {TakeStatus::waiting, 0, 0};
        if (state_.compare_exchange_weak(seen, not_pending(seen), std::memory_order_relaxed))
          return {TakeStatus::waiting, 0, 0};
        continue;
      }
      const std::uint32_t tokens = share(value, max, sharers);
      bool chained = false;
      if (leave(seen, tokens, &chained))
        return {tokens > 0 ? TakeStatus::taken : TakeStatus::closed, tokens, chained ? 1u : 0u};
    }
  }

  // Counts out a waiter that has taken nothing. Returns the system calls made to pass on a wake-up.
  std::uint32_t end_wait() noexcept {
    std::uint64_t seen = state_.load(std::memory_order_relaxed);
    bool chained = false;
    while (!leave(seen, 0, &chained)) {
    }
    return chained ? 1 : 0;
  }

  // For a thread that found the eventfd readable and does not wait here: the wake-up goes to one
  // that does, if there is anything to take or to learn. Returns the system calls made for that.
  std::uint32_t pass_on() noexcept {
    Platform::drain(event_fd_);
    begin_wait();
    return end_wait();
  }

  // For a thread that calls at intervals and does not wait here: if there are tokens, or the
  // semaphore is closed, and a wake-up is on its way to a waiter, wakes one more. Returns the
  // system calls made. A wake-up too many costs its waiter a look.
  std::uint32_t remind() noexcept {
    const std::uint64_t seen = state_.load(std::memory_order_relaxed);
    if ((seen & kPending) == 0 || (value_of(seen) == 0 && (seen & kClosed) == 0)) return 0;
    wake_one();
    return 1;
  }

  // Tells all waiters, now and later: once the tokens are gone, there is nothing more to wait for.
  // Posts still work.
  void close() noexcept {
    state_.fetch_or(kClosed, Steps::kPost);
    Steps::wake_all([this] { wake(std::numeric_limits<int>::max()); });
  }

  bool closed() const noexcept { return (state_.load(std::memory_order_acquire) & kClosed) != 0; }
  // Guesses, true at some moment during the call.
  std::uint32_t value_guess() const noexcept {
    return value_of(state_.load(std::memory_order_relaxed));
  }
  std::uint32_t waiters_guess() const noexcept {
    return waiters_of(state_.load(std::memory_order_relaxed));
  }
  // A guess too: whether there is no token, and `waiters` threads wait.
  bool idle_guess(std::uint32_t waiters) const noexcept {
    const std::uint64_t seen = state_.load(std::memory_order_relaxed);
    return value_of(seen) == 0 && waiters_of(seen) == waiters;
  }
  int event_fd() const noexcept { return event_fd_; }

 private:
  using Steps = typename Platform::Steps;

  static constexpr std::uint64_t kPending = std::uint64_t{1} << 30;
  static constexpr std::uint64_t kClosed = std::uint64_t{1} << 31;
  static constexpr std::uint64_t kOneWaiter = std::uint64_t{1} << 32;
  static constexpr std::uint32_t kWidthShift = 59;
  static constexpr std::uint64_t kWaiters = (std::uint64_t{1} << kWidthShift) - kOneWaiter;
  static_assert(std::bit_width(kMaxValue) < 1 << (64 - kWidthShift), "a width fits");

  static std::uint32_t value_of(std::uint64_t state) noexcept {
    return static_cast<std::uint32_t>(state) & kMaxValue;
  }
  static std::uint32_t waiters_of(std::uint64_t state) noexcept {
    return static_cast<std::uint32_t>((state & kWaiters) >> 32);
  }
  static std::uint64_t width_of(std::uint64_t state) noexcept { return state >> kWidthShift; }
  static std::uint64_t not_pending(std::uint64_t state) noexcept {
    return state & (kWaiters | (kPending - 1) | kClosed);
  }
  // `state` with the mark that a wake-up is on its way for the tokens that it has.
  static std::uint64_t pending_for(std::uint64_t state) noexcept {
    const auto width = static_cast<std::uint64_t>(std::bit_width(value_of(state)));
    return not_pending(state) | kPending | width << kWidthShift;
  }
  // Whether a post that brings the tokens to `value` wakes a waiter, if there is one (S5).
  static bool wakes_again(std::uint64_t state, std::uint32_t value) noexcept {
    return Steps::wakes_again(static_cast<std::uint64_t>(std::bit_width(value)), width_of(state));
  }
  static std::uint32_t share(std::uint32_t value, std::uint32_t max,
                             std::uint32_t sharers) noexcept {
    const std::uint32_t even = sharers <= 1 ? value : value / sharers + (value % sharers != 0);
    return std::min(even, max);
  }

  // A counted waiter takes `tokens` and counts itself out. Every waiter that leaves clears the wake
  // mark (the wake-up may have been for it) and, if there is still something for the others
  // (tokens, or the news that the semaphore is closed), wakes one of them.
  bool leave(std::uint64_t& seen, std::uint32_t tokens, bool* chained) noexcept {
    const bool more = value_of(seen) > tokens || (event_fd_ >= 0 && (seen & kClosed) != 0);
    const bool chain = Steps::passes_on(more && waiters_of(seen) > 1);
    std::uint64_t next = not_pending(seen - tokens - kOneWaiter);
    if (chain) next = pending_for(next);
    if (!state_.compare_exchange_weak(seen, next, Steps::kTake, std::memory_order_relaxed))
      return false;
    if (chain) wake_one();
    *chained = chain;
    return true;
  }

  void wake_one() noexcept {
    Steps::wake_one([this] { wake(1); });
  }
  // Wakes at most so many waiters by futex, or whoever waits for the eventfd.
  void wake(int max) noexcept {
    if (event_fd_ >= 0) {
      Platform::signal(event_fd_);
    } else {
      Platform::unpark(state_, max, scope_);
    }
  }

  // Sleeps while the futex word is 0 (S3). Returns false once the deadline has passed.
  bool sleep(Deadline deadline) noexcept {
    const std::uint32_t expected = Steps::word_asleep(
        [this] { return static_cast<std::uint32_t>(state_.load(std::memory_order_relaxed)); });
    return Platform::park(state_, expected, scope_, deadline);
  }

  typename Platform::template Atomic<std::uint64_t> state_;
  const int event_fd_;
  const Scope scope_;
};

using Semaphore = BasicSemaphore<NativePlatform>;

}  // namespace cpss
