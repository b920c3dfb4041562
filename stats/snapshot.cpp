#include "stats/snapshot.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "stats/histogram.h"

namespace cpss {
namespace {

std::uint64_t value_or_zero(const std::map<std::string, std::uint64_t, std::less<>>& values,
                            std::string_view name) noexcept {
  const auto found = values.find(name);
  return found == values.end() ? 0 : found->second;
}

}  // namespace

std::uint64_t HistogramSnapshot::count() const noexcept {
  return std::accumulate(buckets.begin(), buckets.end(), std::uint64_t{0});
}

std::uint64_t HistogramSnapshot::percentile(double share) const noexcept {
  const std::uint64_t all = count();
  if (all == 0) return 0;
  const double wanted = std::ceil(share * static_cast<double>(all));
  const std::uint64_t rank = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(wanted), 1, all);
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket + 1 < buckets.size(); ++bucket) {
    seen += buckets[bucket];
    if (seen >= rank) return std::min(histogram_bucket_top(bucket), max);
  }
  return max;  // the last bucket has no upper end
}

void HistogramSnapshot::add(const HistogramSnapshot& other) {
  buckets.resize(std::max(buckets.size(), other.buckets.size()));
  for (std::size_t i = 0; i < other.buckets.size(); ++i) buckets[i] += other.buckets[i];
  max = std::max(max, other.max);
}

std::uint64_t StageSnapshot::counter(std::string_view metric) const noexcept {
  return value_or_zero(counters, metric);
}

std::uint64_t StageSnapshot::gauge(std::string_view metric) const noexcept {
  return value_or_zero(gauges, metric);
}

const HistogramSnapshot& StageSnapshot::histogram(std::string_view metric) const noexcept {
  static const HistogramSnapshot nothing;
  const auto found = histograms.find(metric);
  return found == histograms.end() ? nothing : found->second;
}

std::string ReasonCount::full_name() const {
  return name == outcome ? outcome : outcome + "." + name;
}

const StageSnapshot* Snapshot::stage(std::string_view name) const noexcept {
  const auto found = std::find_if(stages.begin(), stages.end(),
                                  [&](const StageSnapshot& stage) { return stage.name == name; });
  return found == stages.end() ? nullptr : &*found;
}

std::uint64_t Snapshot::total(std::string_view counter) const noexcept {
  return std::accumulate(
      stages.begin(), stages.end(), std::uint64_t{0},
      [&](std::uint64_t sum, const StageSnapshot& stage) { return sum + stage.counter(counter); });
}

}  // namespace cpss
