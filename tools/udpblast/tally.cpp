#include "tools/udpblast/tally.h"

#include <initializer_list>

#include <fmt/format.h>

namespace cpss::udpblast {
namespace {

// "sent 10 is not right 8 + wrong 1 = 9", or nullopt if both sides are equal.
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

double Latencies::mean_ns() const noexcept {
  const std::uint64_t values = count();
  return values == 0 ? 0 : static_cast<double>(sum_ns) / static_cast<double>(values);
}

void Latencies::add(const Latencies& other) {
  HistogramSnapshot::add(other);
  sum_ns += other.sum_ns;
}

double Totals::loss() const noexcept {
  const std::uint64_t sent = (*this)[Count::sent];
  return sent == 0 ? 0 : static_cast<double>(lost()) / static_cast<double>(sent);
}

double Totals::missed() const noexcept {
  const std::uint64_t planned = (*this)[Count::planned];
  return planned == 0 ? 0
                      : static_cast<double>((*this)[Count::missed]) / static_cast<double>(planned);
}

std::optional<std::string> Totals::imbalance_of_sending() const {
  return unequal(*this, Count::planned, {Count::sent, Count::missed});
}

std::optional<std::string> Totals::imbalance() const {
  if (auto planned = imbalance_of_sending()) return planned;
  if (auto sent =
          unequal(*this, Count::sent,
                  {Count::right, Count::wrong, Count::busy, Count::timed_out, Count::outstanding}))
    return sent;
  return unequal(*this, Count::packets_in,
                 {Count::right, Count::wrong, Count::busy, Count::late, Count::duplicate,
                  Count::unknown, Count::malformed});
}

void Totals::add(const Totals& other) {
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
  latency.add(other.latency);
  lag.add(other.lag);
  for (std::size_t i = 0; i < classes.size(); ++i) {
    classes[i].sent += other.classes[i].sent;
    classes[i].answered += other.classes[i].answered;
    classes[i].latency.add(other.classes[i].latency);
  }
}

Latencies Tally::Histogram::read() const {
  Latencies snapshot;
  snapshot.buckets.resize(kHistogramBuckets);
  for (std::size_t i = 0; i < kHistogramBuckets; ++i)
    snapshot.buckets[i] = values_[i].load(std::memory_order_relaxed);
  snapshot.max = values_[kHistogramMax].load(std::memory_order_relaxed);
  snapshot.sum_ns = sum_ns_.load(std::memory_order_relaxed);
  return snapshot;
}

Totals Tally::read() const {
  Totals totals;
  for (std::size_t i = 0; i < counts_.size(); ++i)
    totals.counts[i] = counts_[i].load(std::memory_order_relaxed);
  totals.latency = latency_.read();
  totals.lag = lag_.read();
  for (std::size_t i = 0; i < classes_.size(); ++i)
    totals.classes[i] = {classes_[i].sent.load(std::memory_order_relaxed),
                         classes_[i].answered.load(std::memory_order_relaxed),
                         classes_[i].latency.read()};
  return totals;
}

}  // namespace cpss::udpblast
