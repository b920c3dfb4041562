// The shape of a latency histogram: log-linear buckets, as HdrHistogram has them.
//
// Values below 32 have a bucket each; above, every power of two is divided into 32 buckets, so a
// value is known to within 1/32 (3.2 %). The largest value is kept exactly beside the buckets.
// Values of 2^40 (18 minutes in ns) or more share the last bucket.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace cpss {

inline constexpr unsigned kSubBucketBits = 5;
inline constexpr std::size_t kSubBuckets = std::size_t{1} << kSubBucketBits;
inline constexpr unsigned kLargestBits = 40;
inline constexpr std::size_t kHistogramBuckets = (kLargestBits - kSubBucketBits + 1) * kSubBuckets;
// A histogram in a block of values: its buckets, then the largest value seen.
inline constexpr std::size_t kHistogramMax = kHistogramBuckets;
inline constexpr std::size_t kHistogramValues = kHistogramBuckets + 1;

// The bucket of a value: 0 to kHistogramBuckets - 1.
constexpr std::size_t histogram_bucket(std::uint64_t value) noexcept {
  if (value < kSubBuckets) return static_cast<std::size_t>(value);
  if (value >= std::uint64_t{1} << kLargestBits) return kHistogramBuckets - 1;
  const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kSubBucketBits;
  return (shift + 1) * kSubBuckets + static_cast<std::size_t>(value >> shift) - kSubBuckets;
}

// The largest value that falls into a bucket.
constexpr std::uint64_t histogram_bucket_top(std::size_t bucket) noexcept {
  if (bucket < kSubBuckets) return bucket;
  const unsigned shift = static_cast<unsigned>(bucket / kSubBuckets) - 1;
  const std::uint64_t low = (bucket % kSubBuckets + kSubBuckets) << shift;
  return low + (std::uint64_t{1} << shift) - 1;
}

static_assert(histogram_bucket(31) == 31 && histogram_bucket(32) == 32);
static_assert(histogram_bucket((std::uint64_t{1} << kLargestBits) - 1) == kHistogramBuckets - 1);
static_assert(histogram_bucket_top(histogram_bucket(1000)) >= 1000);

}  // namespace cpss
