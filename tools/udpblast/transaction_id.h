// A transaction id tells the number of its message, and the slot that remembers it.
//
//   id = (message number * 2^24 + slot) * an odd constant + a seed   (mod 2^64)
// An id that was never sent, or that was made with another seed, decodes to a message number far
// beyond those sent; the chance that it does not is messages sent / 2^40.
//
// Plain value, any thread.
#pragma once

#include <cstdint>

namespace cpss::udpblast {

inline constexpr std::uint64_t kMaxMessages = std::uint64_t{1} << 40;
inline constexpr std::uint32_t kMaxSlots = std::uint32_t{1} << 24;

class TransactionIds {
 public:
  explicit TransactionIds(std::uint64_t seed) noexcept : seed_(seed) {}

  struct Decoded {
    std::uint64_t message;
    std::uint32_t slot;
  };
  // `message` is below kMaxMessages, `slot` below kMaxSlots.
  std::uint64_t encode(std::uint64_t message, std::uint32_t slot) const noexcept {
    return (message << kSlotBits | slot) * kScatter + seed_;
  }
  Decoded decode(std::uint64_t transaction) const noexcept {
    const std::uint64_t plain = (transaction - seed_) * kGather;
    return {plain >> kSlotBits, static_cast<std::uint32_t>(plain & (kMaxSlots - 1))};
  }

 private:
  static constexpr unsigned kSlotBits = 24;
  static_assert(kMaxSlots == std::uint64_t{1} << kSlotBits);
  static_assert(kMaxMessages << kSlotBits == 0, "message number and slot fill an id");

  // Odd, so it has an inverse; with many bits set, so that a change in any bit of an id changes the
  // message number it decodes to.
  static constexpr std::uint64_t kScatter = 0x9e3779b97f4a7c15;
  // By Newton's iteration: each round doubles the number of right bits, of which 3 are right at
  // first.
  static constexpr std::uint64_t kGather = [] {
    std::uint64_t inverse = kScatter;
    for (int round = 0; round < 5; ++round) inverse *= 2 - kScatter * inverse;
    return inverse;
  }();
  static_assert(kScatter * kGather == 1);

  std::uint64_t seed_;
};

}  // namespace cpss::udpblast
