#include "stats/snapshot.h"

#include <algorithm>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "stats/histogram.h"

namespace cpss {
namespace {

HistogramSnapshot histogram_of(const std::vector<std::uint64_t>& values) {
  HistogramSnapshot result;
  result.buckets.resize(kHistogramBuckets);
  for (const std::uint64_t value : values) {
    ++result.buckets[histogram_bucket(value)];
    result.max = std::max(result.max, value);
  }
  return result;
}

void expect_percentiles_match(std::vector<std::uint64_t> values) {
  const HistogramSnapshot histogram = histogram_of(values);
  std::sort(values.begin(), values.end());
  ASSERT_EQ(histogram.count(), values.size());
  for (const double share : {0.0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto wanted = std::ceil(share * static_cast<double>(values.size()));
    const std::size_t rank = std::max<std::size_t>(static_cast<std::size_t>(wanted), 1);
    const std::uint64_t exact = values[rank - 1];
    const std::uint64_t got = histogram.percentile(share);
    EXPECT_GE(got, exact) << share;
    EXPECT_LE(static_cast<double>(got), static_cast<double>(exact) * (1 + 1.0 / 32)) << share;
  }
  EXPECT_EQ(histogram.percentile(1), values.back());
}

TEST(HistogramSnapshotTest, PercentilesMatchASortedVector) {
  std::mt19937_64 random(1);
  std::exponential_distribution<double> latencies(1.0 / 50'000);
  for (const std::size_t size : {1u, 2u, 3u, 100u, 10'000u}) {
    std::vector<std::uint64_t> small, wide, latency;
    for (std::size_t i = 0; i < size; ++i) {
      small.push_back(random() % 40);
      wide.push_back(random() >> (25 + random() % 39));
      latency.push_back(static_cast<std::uint64_t>(latencies(random)));
    }
    expect_percentiles_match(small);
    expect_percentiles_match(wide);
    expect_percentiles_match(latency);
  }
}

TEST(HistogramSnapshotTest, NothingRecordedGivesZeros) {
  const HistogramSnapshot nothing;
  EXPECT_EQ(nothing.count(), 0u);
  EXPECT_EQ(nothing.percentile(0.99), 0u);
}

TEST(HistogramSnapshotTest, ValuesBeyondTheLastBucketHaveTheLargestAsPercentile) {
  const HistogramSnapshot histogram = histogram_of({1, std::uint64_t{1} << 50});
  EXPECT_EQ(histogram.percentile(0.5), 1u);
  EXPECT_EQ(histogram.percentile(0.99), std::uint64_t{1} << 50);
}

TEST(HistogramSnapshotTest, AddsUpLaneByLane) {
  HistogramSnapshot sum;
  sum.add(histogram_of({10, 20}));
  sum.add(histogram_of({30}));
  EXPECT_EQ(sum.count(), 3u);
  EXPECT_EQ(sum.max, 30u);
  EXPECT_EQ(sum.percentile(0.5), 20u);
}

TEST(HistogramTest, EveryBucketEndsWhereTheNextBegins) {
  for (std::size_t bucket = 0; bucket + 1 < kHistogramBuckets; ++bucket) {
    const std::uint64_t top = histogram_bucket_top(bucket);
    ASSERT_EQ(histogram_bucket(top), bucket);
    ASSERT_EQ(histogram_bucket(top + 1), bucket + 1);
  }
}

TEST(ReasonCountTest, TheNameHasTheOutcomeOnce) {
  EXPECT_EQ((ReasonCount{"invalid", "too_short", "", 1}.full_name()), "invalid.too_short");
  EXPECT_EQ((ReasonCount{"answered", "answered", "", 1}.full_name()), "answered");
}

}  // namespace
}  // namespace cpss
