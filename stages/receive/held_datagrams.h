// Counts the datagrams that a receive lane has read and that have no slot yet, in a word that main
// can reach: at a forced end exactly one of the two ends them, as it is with slots (slot_store.h).
//
//   in hand ──put_down(n)──► n lie there ──pick_up()──► in hand
//                                 └──take_away() (main, at a forced end)──► taken, for good
//
// The lane has them in hand while it reads, places and ends datagrams, for no longer than the
// system calls of one batch take. It puts the rest down before anything that may take long: a call
// into the service, the next stages, a wait. pick_up() and take_away() are compare-exchanges on one
// word, so exactly one of them succeeds, and its caller books the datagrams. Datagrams that were
// taken away stay so: the lane reads no more.
//
// Called by one lane, and by main.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

namespace cpss {

class HeldDatagrams {
 public:
  // Called by the lane. False: main has taken the datagrams, which are no longer the lane's.
  bool pick_up() noexcept {
    std::uint64_t there = word_.load(std::memory_order_relaxed);
    // Fails for one reason alone: only take_away() writes meanwhile, and it writes kTaken.
    in_hand_ =
        there != kTaken && word_.compare_exchange_strong(there, kInHand, std::memory_order_relaxed);
    return in_hand_;
  }
  // Called by the lane: puts down so many datagrams, all counted as received. Does nothing if the
  // lane has none in hand.
  void put_down(std::uint64_t datagrams) noexcept {
    if (!in_hand_) return;
    in_hand_ = false;
    // Release, to the acquire in take_away(): main sees the datagrams that it takes as counted.
    word_.store(datagrams, std::memory_order_release);
  }

  // Called by main at a forced end, after the pool was closed. Returns how many datagrams it has
  // taken, which main has to book. None: the lane has them in hand, and puts them down in a moment.
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
  bool in_hand_ = false;  // used by the lane alone
};

}  // namespace cpss
