#include "stats/writer.h"

#include <vector>

#include <gtest/gtest.h>

namespace cpss {
namespace {

class WriterTest : public testing::Test {
 protected:
  std::uint64_t at(std::size_t place) const {
    return block_[place].load(std::memory_order_relaxed);
  }

  std::vector<Value> block_ = std::vector<Value>(kBlockBytes / sizeof(Value));
};

TEST_F(WriterTest, EachCounterAndReasonHasAValueOfItsOwn) {
  StatsWriter writer(block_.data(), Detail::histograms);
  for (const CounterInfo& counter : kCounters)
    writer.add(counter.id, static_cast<std::uint64_t>(counter.id) + 1);
  for (const ReasonInfo& reason : kReasons)
    writer.book(reason.id, static_cast<std::uint64_t>(reason.id) + 1000);
  for (const CounterInfo& counter : kCounters)
    EXPECT_EQ(writer.value(counter.id), static_cast<std::uint64_t>(counter.id) + 1);
  for (const ReasonInfo& reason : kReasons)
    EXPECT_EQ(writer.value(reason.id), static_cast<std::uint64_t>(reason.id) + 1000);
}

TEST_F(WriterTest, AddsUp) {
  StatsWriter writer(block_.data(), Detail::histograms);
  writer.add(Counter::received);
  writer.add(Counter::received, 41);
  EXPECT_EQ(writer.value(Counter::received), 42u);
}

TEST_F(WriterTest, AGaugeOnlyRises) {
  StatsWriter writer(block_.data(), Detail::histograms);
  writer.raise(Gauge::queue_high_water, 7);
  writer.raise(Gauge::queue_high_water, 3);
  EXPECT_EQ(at(kGaugeOffset), 7u);
  writer.raise(Gauge::queue_high_water, 8);
  EXPECT_EQ(at(kGaugeOffset), 8u);
}

TEST_F(WriterTest, RecordsIntoTheBucketAndKeepsTheLargestExactly) {
  StatsWriter writer(block_.data(), Detail::histograms);
  writer.record(HistogramId::service_ns, 1'000'003, 5);
  writer.record(HistogramId::service_ns, 17);
  const std::size_t base =
      kHistogramOffset + static_cast<std::size_t>(HistogramId::service_ns) * kHistogramValues;
  EXPECT_EQ(at(base + histogram_bucket(1'000'003)), 5u);
  EXPECT_EQ(at(base + 17), 1u);
  EXPECT_EQ(at(base + kHistogramMax), 1'000'003u);
}

TEST_F(WriterTest, RecordsNothingWhereHistogramsAreOff) {
  StatsWriter writer(block_.data(), Detail::counters);
  writer.record(HistogramId::wait_ns, 5);
  for (const Value& value : block_) EXPECT_EQ(value.load(std::memory_order_relaxed), 0u);
}

TEST_F(WriterTest, KnowsHowManyValuesEachHistogramHolds) {
  StatsWriter writer(block_.data(), Detail::histograms);
  writer.record(HistogramId::wait_ns, 0, 3);
  writer.record(HistogramId::wait_ns, ~std::uint64_t{0}, 4);
  writer.record(HistogramId::batch, 5);
  EXPECT_EQ(writer.recorded(HistogramId::wait_ns), 7u);
  EXPECT_EQ(writer.recorded(HistogramId::service_ns), 0u);
  EXPECT_EQ(writer.recorded(HistogramId::batch), 1u);
  EXPECT_EQ(StatsWriter(block_.data(), Detail::histograms).recorded(HistogramId::wait_ns), 7u)
      << "whoever takes the block over knows it, too";
}

// The memory behind the block belongs to another block.
TEST_F(WriterTest, WithoutHistogramsNothingBeyondTheSmallerBlockIsTouched) {
  const std::size_t small = block_bytes(Detail::counters) / sizeof(Value);
  ASSERT_LT(small, 128u);
  constexpr std::uint64_t kForeign = 77;
  for (const Detail detail : {Detail::counters, Detail::essential}) {
    for (std::size_t place = small; place < block_.size(); ++place)
      block_[place].store(kForeign, std::memory_order_relaxed);
    StatsWriter writer(block_.data(), detail);
    for (const CounterInfo& counter : kCounters) writer.add(counter.id);
    for (const ReasonInfo& reason : kReasons) writer.book(reason.id);
    for (const GaugeInfo& gauge : kGauges) writer.raise(gauge.id, 9);
    for (const HistogramInfo& histogram : kHistograms) {
      writer.record(histogram.id, 9);
      EXPECT_EQ(writer.recorded(histogram.id), 0u) << "nor is it read";
    }
    for (std::size_t place = small; place < block_.size(); ++place)
      ASSERT_EQ(at(place), kForeign) << place;
  }
}

TEST_F(WriterTest, TheLastValueOfTheLastHistogramIsInsideTheBlock) {
  StatsWriter writer(block_.data(), Detail::histograms);
  writer.record(HistogramId::batch, ~std::uint64_t{0});
  EXPECT_EQ(at(kValuesInBlock - 1), ~std::uint64_t{0});
  EXPECT_EQ(at(kValuesInBlock - 2), 1u);
}

TEST_F(WriterTest, OfTheLedgerAloneNothingElseIsKeptButGauges) {
  StatsWriter writer(block_.data(), Detail::essential);
  for (const CounterInfo& counter : kCounters) writer.add(counter.id, 3);
  writer.book(Reason::answered, 5);
  writer.raise(Gauge::queue_high_water, 7);
  for (const HistogramInfo& histogram : kHistograms) writer.record(histogram.id, 9);
  for (const CounterInfo& counter : kCounters)
    EXPECT_EQ(writer.value(counter.id), is_essential(counter.id) ? 3u : 0u) << counter.info.name;
  EXPECT_EQ(writer.value(Reason::answered), 5u);
  EXPECT_EQ(at(kGaugeOffset), 7u);
  for (std::size_t place = kHistogramOffset; place < block_.size(); ++place)
    ASSERT_EQ(at(place), 0u) << place;
}

}  // namespace
}  // namespace cpss
