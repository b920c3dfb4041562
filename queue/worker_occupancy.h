// How many workers are inside a deferred message, and whether one more thread is called for.
//
// An on-demand thread is wanted while more messages wait than workers are outside one, and fewer
// than `max_threads` threads run. A worker that is outside takes one message, however long it
// stands still on its way there; messages beyond that would wait for a worker that is inside. The
// thread that makes the condition true calls the starter: a producer that puts a message, a worker
// that goes into one, an on-demand thread that ends. The starter looks again after each call, so no
// call is lost and none has to be right.
//
// The state is one 64-bit word: {workers inside a message, on-demand threads}. Only the starter
// counts threads, and it counts one out only after it has joined it: there are never more than
// `max_threads`.
//
// Thread-safety: as the comments at the functions say. Lives in memory handed in by the caller,
// holds no pointers.
//
// Memory orders: every change and every look of a caller is a read-modify-write of the one word,
// acq_rel, and the caller reads how many messages wait after it. If a producer looks and a worker
// enters, the later one in the word's order sees what the other did before (the message put, or one
// worker less outside), so at least one of them calls. The same holds for a producer that sees
// `max_threads` threads and the starter that counts one out. A worker that has taken its message
// and not yet gone inside counts as outside with one message less waiting; it looks itself when it
// goes inside. The call itself is a semaphore's post, release, taken by the starter, acquire.
#pragma once

#include <cstdint>

#include "queue/semaphore.h"

namespace cpss {

class alignas(64) WorkerOccupancy {
 public:
  // `workers` lanes; at most `max_threads` on-demand threads, 0: the starter is never called.
  WorkerOccupancy(std::uint32_t workers, std::uint32_t max_threads, Scope scope = {}) noexcept
      : workers_(workers), max_threads_(max_threads), calls_(0, {scope, -1}) {}

  // A producer has put messages. `waiting()` returns how many wait now. Returns the system calls
  // made.
  template <class Waiting>
  std::uint32_t message_put(Waiting waiting) noexcept {
    if (max_threads_ == 0) return 0;
    return wanted(state_.fetch_add(0, std::memory_order_acq_rel), waiting) ? call() : 0;
  }

  // A worker goes into a message; otherwise as above.
  template <class Waiting>
  std::uint32_t enter(Waiting waiting) noexcept {
    if (max_threads_ == 0) return 0;
    const std::uint64_t now = state_.fetch_add(kOneInside, std::memory_order_acq_rel) + kOneInside;
    return wanted(now, waiting) ? call() : 0;
  }
  // ... and comes out of it.
  void leave() noexcept {
    if (max_threads_ > 0) state_.fetch_sub(kOneInside, std::memory_order_acq_rel);
  }

  // An on-demand thread has done its message and is about to end.
  std::uint32_t thread_ends() noexcept { return call(); }

  // --- the starter ---

  template <class Waiting>
  bool wanted(Waiting waiting) const noexcept {
    return wanted(state_.load(std::memory_order_acquire), waiting);
  }
  void count_in() noexcept { state_.fetch_add(1, std::memory_order_acq_rel); }
  void count_out() noexcept { state_.fetch_sub(1, std::memory_order_acq_rel); }
  // Waits for a call. `closed`: no more calls will come.
  TakeResult wait(Deadline deadline = kNoDeadline) noexcept {
    return calls_.take(Semaphore::kMaxValue, 1, deadline);
  }
  void close() noexcept { calls_.close(); }

  // For a thread that calls at intervals: see BasicSemaphore.
  std::uint32_t remind() noexcept { return calls_.remind(); }

  // Guesses, true at some moment during the call.
  std::uint32_t inside_guess() const noexcept {
    return inside(state_.load(std::memory_order_relaxed));
  }

 private:
  static constexpr std::uint64_t kOneInside = std::uint64_t{1} << 32;
  static std::uint32_t inside(std::uint64_t state) noexcept {
    return static_cast<std::uint32_t>(state >> 32);
  }
  static std::uint32_t threads(std::uint64_t state) noexcept {
    return static_cast<std::uint32_t>(state);
  }
  template <class Waiting>
  bool wanted(std::uint64_t state, Waiting waiting) const noexcept {
    return threads(state) < max_threads_ && waiting() > workers_ - inside(state);
  }
  std::uint32_t call() noexcept { return calls_.post(1).wakes; }

  const std::uint32_t workers_;
  const std::uint32_t max_threads_;
  std::atomic<std::uint64_t> state_{0};
  Semaphore calls_;
};

}  // namespace cpss
