// The platform of semaphore, slot queue and slot pool inside Relacy: its atomics, which follow the
// memory model of C++ and not that of the test's machine, and a futex made of its scheduler.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>

#include "queue/platform.h"
#include "tests/relacy/relacy_headers.h"
#include "tests/stress/mutants.h"

namespace cpss {

constexpr rl::memory_order relacy_order(std::memory_order order) noexcept {
  switch (order) {
    case std::memory_order_relaxed:
      return rl::mo_relaxed;
    case std::memory_order_consume:
      return rl::mo_consume;
    case std::memory_order_acquire:
      return rl::mo_acquire;
    case std::memory_order_release:
      return rl::mo_release;
    case std::memory_order_acq_rel:
      return rl::mo_acq_rel;
    default:
      return rl::mo_seq_cst;
  }
}

// rl::atomic with the interface of std::atomic, as far as queue/ uses it.
template <class T>
class RelacyAtomic {
 public:
  explicit RelacyAtomic(T value) { inner_.store(value, rl::mo_relaxed, RL_INFO); }

  T load(std::memory_order order) const noexcept {
    return inner_.load(relacy_order(order), RL_INFO);
  }
  void store(T value, std::memory_order order) noexcept {
    inner_.store(value, relacy_order(order), RL_INFO);
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order success,
                             std::memory_order failure) noexcept {
    return exchange<true>(expected, desired, success, failure);
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order order) noexcept {
    return exchange<true>(expected, desired, order, failure_order(order));
  }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order success,
                               std::memory_order failure) noexcept {
    return exchange<false>(expected, desired, success, failure);
  }
  T fetch_add(T value, std::memory_order order) noexcept {
    return inner_.fetch_add(value, relacy_order(order), RL_INFO);
  }
  T fetch_or(T value, std::memory_order order) noexcept {
    return inner_.fetch_or(value, relacy_order(order), RL_INFO);
  }

  rl::atomic<T>& inner() const noexcept { return inner_; }

 private:
  static constexpr std::memory_order failure_order(std::memory_order success) noexcept {
    if (success == std::memory_order_release) return std::memory_order_relaxed;
    if (success == std::memory_order_acq_rel) return std::memory_order_acquire;
    return success;
  }
  template <bool kSpurious>
  bool exchange(T& expected, T desired, std::memory_order success,
                std::memory_order failure) noexcept {
    return inner_.compare_exchange(rl::bool_t<kSpurious>(), expected, desired,
                                   relacy_order(success), relacy_order(failure), RL_INFO);
  }

  mutable rl::atomic<T> inner_;
};

template <Mutant kMutant>
struct RelacyPlatform {
  template <class T>
  using Atomic = RelacyAtomic<T>;
  template <class T>
  using Word = RelacyAtomic<T>;
  using Steps = MutantSteps<kMutant>;
  // Relacy may switch threads at every access to an atomic, so pauses are not needed.
  static void pause(PausePoint) noexcept {}

  // Like the kernel: looks at the newest value and goes to sleep without anything in between
  // (debug_value() and wait() do not switch threads). A timed wait may end at any moment.
  static bool park(const RelacyAtomic<std::uint64_t>& word, std::uint32_t expected, Scope,
                   Deadline deadline) noexcept {
    rl::context& context = rl::ctx();
    context.sched();
    if (static_cast<std::uint32_t>(word.inner().debug_value()) != expected) return true;
    const bool timed = deadline != kNoDeadline;
    return word.inner().wait(context, timed, true, RL_INFO) != rl::unpark_reason_timeout;
  }
  static void unpark(const RelacyAtomic<std::uint64_t>& word, int max, Scope) noexcept {
    rl::context& context = rl::ctx();
    context.sched();
    word.inner().wake(context, max, RL_INFO);
  }
  static void signal(int) noexcept {}
  static void drain(int) noexcept {}
};

}  // namespace cpss
