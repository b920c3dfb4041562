#include "tests/stages/stage_ledger.h"

#include <algorithm>

namespace cpss::test {

StatsWriter StageLedger::open() {
  return StatsWriter(blocks_.emplace_back().values.data(), Detail::histograms);
}

std::uint64_t StageLedger::total(Counter counter) const {
  return sum(kCounterOffset + static_cast<std::size_t>(counter));
}

std::uint64_t StageLedger::total(Reason reason) const {
  return sum(kReasonOffset + static_cast<std::size_t>(reason));
}

std::uint64_t StageLedger::outcomes() const {
  std::uint64_t result = 0;
  for (const ReasonInfo& reason : kReasons) result += total(reason.id);
  return result;
}

std::uint64_t StageLedger::recorded(HistogramId histogram) const {
  const std::size_t base =
      kHistogramOffset + static_cast<std::size_t>(histogram) * kHistogramValues;
  std::uint64_t result = 0;
  for (std::size_t i = 0; i < kHistogramValues; ++i)
    if (i != kHistogramMax) result += sum(base + i);
  return result;
}

std::uint64_t StageLedger::largest(Gauge gauge) const {
  return max(kGaugeOffset + static_cast<std::size_t>(gauge));
}

std::uint64_t StageLedger::largest(HistogramId histogram) const {
  return max(kHistogramOffset + static_cast<std::size_t>(histogram) * kHistogramValues +
             kHistogramMax);
}

std::uint64_t StageLedger::sum(std::size_t at) const {
  std::uint64_t result = 0;
  for (const Block& block : blocks_) result += block.values[at].load(std::memory_order_relaxed);
  return result;
}

std::uint64_t StageLedger::max(std::size_t at) const {
  std::uint64_t result = 0;
  for (const Block& block : blocks_)
    result = std::max(result, block.values[at].load(std::memory_order_relaxed));
  return result;
}

}  // namespace cpss::test
