// Spin, then park: a lane that finds nothing to do looks again for a little while before it goes to
// sleep. Waking a sleeping lane costs the waking thread a system call, and delays the message until
// the lane runs. Looking again costs CPU time, which is wasted if nothing comes.
//
// Bounded: a lane looks for at most `max_ns`, and only while no more lanes are awake than the
// server has CPUs, so that it keeps no other lane from running (unless lanes are pinned to fewer
// CPUs). If more lanes are awake, it yields once to the others before it sleeps. They may bring
// work; and if the lane slept at once, the next message would wake it, and it would take the CPU
// from the lane that has a batch in hand.
//
// Adaptive: only idle times that end within twice `max_ns` bring the next attempt nearer. After a
// busy time longer than `max_ns` the lane does not spin: that work pays for a wake-up. After each
// attempt in vain the lane lets twice as many such idle times go by before the next attempt.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include <sched.h>

#include "base/clock.h"

namespace cpss {

// Called between two looks. Tells the CPU that the thread waits, so that the CPU leaves its
// execution units to the other hardware thread of the core and does not speculate on the next look
// (Intel SDM, PAUSE; Arm ARM, YIELD).
inline void relax_cpu() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// The lanes of a server that are not asleep. A guess that lanes share: relaxed, because nothing
// else is handed over with it.
//
// A bit for each lane, not a count: a process may die before, between or after any two of its
// stores. The parent then clears the bit of that lane, which is right whatever the process stored
// last. A count that the dead process had already changed would be wrong from then on.
//
// note_awake(), note_asleep(): one thread at a time for each lane: the lane's own, or the thread
// that knows that the lane has ended.
class AwakeLanes {
 public:
  using Word = std::atomic<std::uint64_t>;
  static constexpr std::size_t kLanesInWord = 64;
  static constexpr std::size_t words_for(std::size_t lanes) noexcept {
    return (lanes + kLanesInWord - 1) / kLanesInWord;
  }

  // `bits`: words_for(all lanes) zeroed words, used for nothing else; they outlive this object.
  AwakeLanes(unsigned cpus, std::span<Word> bits) noexcept : cpus_(cpus), bits_(bits) {}

  void note_awake(std::size_t lane) noexcept {
    bits_[lane / kLanesInWord].fetch_or(bit_of(lane), std::memory_order_relaxed);
  }
  void note_asleep(std::size_t lane) noexcept {
    bits_[lane / kLanesInWord].fetch_and(~bit_of(lane), std::memory_order_relaxed);
  }
  unsigned count() const noexcept {
    unsigned awake = 0;
    for (const Word& word : bits_)
      awake += static_cast<unsigned>(std::popcount(word.load(std::memory_order_relaxed)));
    return awake;
  }
  // Of the first `lanes` ones.
  unsigned count_of_first(std::size_t lanes) const noexcept {
    unsigned awake = 0;
    for (std::size_t word = 0; word * kLanesInWord < lanes; ++word) {
      const std::size_t bits = std::min(kLanesInWord, lanes - word * kLanesInWord);
      const std::uint64_t mask = ~std::uint64_t{0} >> (kLanesInWord - bits);
      awake +=
          static_cast<unsigned>(std::popcount(bits_[word].load(std::memory_order_relaxed) & mask));
    }
    return awake;
  }
  bool have_a_cpu_each() const noexcept { return count() <= cpus_; }

 private:
  static constexpr std::uint64_t bit_of(std::size_t lane) noexcept {
    return std::uint64_t{1} << lane % kLanesInWord;
  }

  const unsigned cpus_;
  const std::span<Word> bits_;
};

// The spinning of one lane; called by its thread alone. `Clock` returns the time in ns.
template <std::uint64_t (*Clock)() noexcept>
class BasicSpin {
 public:
  // `max_ns` 0: the lane always goes to sleep at once.
  explicit BasicSpin(std::uint64_t max_ns) noexcept : max_ns_(max_ns) {}

  // The lane has found nothing to do. Returns whether it is to look again.
  bool look_again(const AwakeLanes& lanes) noexcept {
    if (max_ns_ == 0) return false;
    const std::uint64_t now = Clock();
    if (!idle_) {
      spinning_ = skip_ == 0 && now - since_ns_ < max_ns_;
      begin(true, now);
      yielded_ = false;
    }
    if (!lanes.have_a_cpu_each()) {
      if (yielded_) return false;
      yielded_ = true;
      sched_yield();
      return true;
    }
    if (!spinning_ || now - since_ns_ >= max_ns_) return false;
    relax_cpu();
    return true;
  }
  // The lane has found something.
  void worked() noexcept {
    if (!idle_) return;
    begin(false, Clock());
    in_vain_ = 0;
  }
  // The lane has slept and is awake again.
  void slept() noexcept {
    if (!idle_) return;
    const std::uint64_t now = Clock();
    const bool soon = now - since_ns_ < 2 * max_ns_;
    if (spinning_) {
      in_vain_ = in_vain_ < kMaxSkipped ? 2 * in_vain_ + 1 : in_vain_;
      skip_ = in_vain_;
    } else if (soon && skip_ > 0) {
      --skip_;
    }
    begin(false, now);
  }

 private:
  static constexpr unsigned kMaxSkipped = 255;

  void begin(bool idle, std::uint64_t now) noexcept {
    idle_ = idle;
    since_ns_ = now;
  }

  const std::uint64_t max_ns_;
  bool idle_ = false;           // the lane has nothing to do
  std::uint64_t since_ns_ = 0;  // when idle_ last changed
  bool spinning_ = false;       // in this idle time
  bool yielded_ = false;        // in this idle time
  unsigned skip_ = 1;           // short idle times to let go by before the next attempt
  unsigned in_vain_ = 0;        // grows with each attempt that failed: 1, 3, 7 ... 255
};

using Spin = BasicSpin<monotonic_ns>;

}  // namespace cpss
