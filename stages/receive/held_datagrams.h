// The datagrams that a receive lane has read and that have no slot yet, counted where main can get
// at them: at a forced end exactly one of the two ends them, as it is with slots (slot_store.h).
//
//   in hand ──put_down(n)──► n lie there ──pick_up()──► in hand
//                                 └──take_away() (main, at a forced end)──► taken, for good
//
// The lane has them in hand while it reads, places and ends datagrams, for no longer than the
// system calls of one batch take. It puts down what is left before all that may take long: a
// service, the stages behind it, a wait. pick_up() and take_away() are compare-exchanges on one
// word, so of the two exactly one succeeds, and books them. What was taken away stays so: the lane
// reads no more.
//
// One lane, and main.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

namespace cpss {

class HeldDatagrams {
 public:
  // The lane. False: main has taken what lay there, which is the lane's no more.
  bool pick_up() noexcept {
    std::uint64_t there = word_.load(std::memory_order_relaxed);
    // Fails for one reason alone: nobody else writes another word than kTaken.
    in_hand_ =
        there != kTaken && word_.compare_exchange_strong(there, kInHand, std::memory_order_relaxed);
    return in_hand_;
  }
  // The lane. Of so many datagrams, all counted as received; nothing happens if it has none in
  // hand.
  void put_down(std::uint64_t datagrams) noexcept {
    if (!in_hand_) return;
    in_hand_ = false;
    // Release, to take_away(): who takes them sees them counted.
    word_.store(datagrams, std::memory_order_release);
  }

  // Main, at a forced end, after the pool was closed. How many it has taken, which are its own to
  // book; none: the lane has them in hand, and puts them down in a moment.
  std::optional<std::uint64_t> take_away() noexcept {
    std::uint64_t there = word_.load(std::memory_order_acquire);
    if (there == kTaken) return 0;
    if (there == kInHand || !word_.compare_exchange_strong(there, kTaken, std::memory_order_acq_rel,
                                                           std::memory_order_acquire))
      return std::nullopt;
    return there;
  }

 private:
  static constexpr std::uint64_t kInHand = UINT64_MAX;
  static constexpr std::uint64_t kTaken = UINT64_MAX - 1;

  std::atomic<std::uint64_t> word_{0};
  bool in_hand_ = false;  // the lane's own
};

}  // namespace cpss
