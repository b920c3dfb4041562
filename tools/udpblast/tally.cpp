#include "tools/udpblast/tally.h"

#include <initializer_list>

#include <fmt/format.h>

namespace cpss::udpblast {
namespace {

// "sent 10 is not right 8 + wrong 1 = 9", or nothing where both sides are equal.
std::optional<std::string> unequal(const Totals& totals, Count whole,
                                   std::initializer_list<Count> parts) {
  std::uint64_t sum = 0;
  std::string terms;
  for (const Count part : parts) {
    sum += totals[part];
    terms += fmt::format("{}{} {}", terms.empty() ? "" : " + ",
                         kCounts[static_cast<std::size_t>(part)].name, totals[part]);
  }
  if (sum == totals[whole]) return std::nullopt;
  return fmt::format("{} {} is not {} = {}", kCounts[static_cast<std::size_t>(whole)].name,
                     totals[whole], terms, sum);
}

}  // namespace

double Totals::loss() const noexcept {
  const std::uint64_t sent = (*this)[Count::sent];
  return sent == 0 ? 0 : static_cast<double>(lost()) / static_cast<double>(sent);
}

std::optional<std::string> Totals::imbalance() const {
  if (auto sent = unequal(*this, Count::sent,
                          {Count::right, Count::wrong, Count::timed_out, Count::outstanding}))
    return sent;
  return unequal(*this, Count::packets_in,
                 {Count::right, Count::wrong, Count::late, Count::duplicate, Count::unknown,
                  Count::malformed});
}

void Totals::add(const Totals& other) {
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
  latency.add(other.latency);
}

void Tally::record_latency(std::uint64_t ns) noexcept {
  bump(latency_[histogram_bucket(ns)], 1);
  Value& largest = latency_[kHistogramMax];
  if (ns > largest.load(std::memory_order_relaxed)) largest.store(ns, std::memory_order_relaxed);
}

Totals Tally::read() const {
  Totals totals;
  for (std::size_t i = 0; i < counts_.size(); ++i)
    totals.counts[i] = counts_[i].load(std::memory_order_relaxed);
  totals.latency.buckets.resize(kHistogramBuckets);
  for (std::size_t i = 0; i < kHistogramBuckets; ++i)
    totals.latency.buckets[i] = latency_[i].load(std::memory_order_relaxed);
  totals.latency.max = latency_[kHistogramMax].load(std::memory_order_relaxed);
  return totals;
}

}  // namespace cpss::udpblast
