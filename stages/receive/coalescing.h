// Receive coalescing, as network adapters coalesce interrupts (ethtool(8), adaptive-rx): if
// datagrams keep coming a few at a time, as fast as the lane can take them, the lane pauses and
// lets some more come before it looks again.
//
// Without pauses such a lane is always busy and never has much in hand: each message pays for a
// whole round of system calls, and few replies to one peer leave together. After a short pause the
// same messages come as one batch, which may cost far less, and the CPU idles in between.
//
// A pause may also cost more, if no replies can leave together; and it may slow down a client that
// waits for replies before it asks again. So the lane tries: it goes on with pauses only if
// arrivals come as fast as without, and cost less CPU time. If not, it goes without pauses, each
// time for longer.
//
// One thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace cpss {

class Coalescing {
 public:
  // The lane has taken so many `arrivals`, of at most `max`. True: the lane has to call decide().
  bool note(std::size_t arrivals, std::size_t max) noexcept {
    arrivals_ += arrivals;
    due_ = on_ && arrivals > 1 && arrivals < max / 2;
    return arrivals_ >= kEpoch;
  }
  // Whether to pause before looking again.
  bool due() const noexcept { return due_; }

  // `now_ns`: the time; `cpu_ns`: the CPU time that the lane's thread has used until now.
  void decide(std::uint64_t now_ns, std::uint64_t cpu_ns) noexcept {
    const Cost cost{(now_ns - begin_.time_ns) / arrivals_, (cpu_ns - begin_.cpu_ns) / arrivals_};
    begin_ = {now_ns, cpu_ns};
    arrivals_ = 0;
    const bool in_vain = trying_ && !pays(cost);
    if (trying_) epochs_off_ = in_vain ? std::min(2 * epochs_off_, kMaxEpochsOff) : 1;
    trying_ = false;
    if (--remaining_ > 0 && !in_vain) return;
    on_ = !on_;
    trying_ = on_;
    remaining_ = on_ ? kEpochsOn : epochs_off_;
    without_ = cost;
  }

 private:
  // Totals at a moment, or the cost of one arrival.
  struct Cost {
    std::uint64_t time_ns = 0;
    std::uint64_t cpu_ns = 0;
  };

  static constexpr std::uint64_t kEpoch = 4096;   // arrivals from one decision to the next
  static constexpr unsigned kEpochsOn = 64;       // before the lane compares again
  static constexpr unsigned kMaxEpochsOff = 256;  // before it tries again

  // At most an eighth more time, and at least a sixteenth less CPU time; a smaller gain is noise.
  bool pays(const Cost& cost) const noexcept {
    return cost.time_ns <= without_.time_ns + without_.time_ns / 8 &&
           cost.cpu_ns <= without_.cpu_ns - without_.cpu_ns / 16;
  }

  bool due_ = false;
  bool on_ = false;         // the lane coalesces in this epoch
  bool trying_ = false;     // this epoch is the first one on in a row
  unsigned remaining_ = 2;  // epochs until on_ changes
  unsigned epochs_off_ = 1;
  std::uint64_t arrivals_ = 0;  // in this epoch
  Cost begin_;                  // totals when the epoch began
  Cost without_;                // what an arrival cost before the last change
};

}  // namespace cpss
