// Repeatable random numbers (SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number
// generators", 2014). One object per thread.
#pragma once

#include <cstdint>

namespace cpss {

class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed) {}

  std::uint64_t next() noexcept {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  // 0 to n - 1; n > 0.
  std::uint32_t below(std::uint32_t n) noexcept { return static_cast<std::uint32_t>(next() % n); }
  // 1 to n; n > 0.
  std::uint32_t up_to(std::uint32_t n) noexcept { return 1 + below(n); }
  bool one_in(std::uint32_t n) noexcept { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

}  // namespace cpss
