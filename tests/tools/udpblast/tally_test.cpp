#include "tools/udpblast/tally.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cpss::udpblast {
namespace {

using ::testing::HasSubstr;

TEST(Tally, ReadsWhatWasCounted) {
  Tally tally;
  tally.add(Count::sent, 3);
  tally.add(Count::sent);
  tally.set(Count::outstanding, 2);
  tally.record_latency(1'000);
  tally.record_latency(5'000'000);
  tally.record_lag(7);
  const Totals totals = tally.read();
  EXPECT_EQ(totals[Count::sent], 4u);
  EXPECT_EQ(totals[Count::outstanding], 2u);
  EXPECT_EQ(totals.latency.count(), 2u);
  EXPECT_EQ(totals.latency.max, 5'000'000u);
  EXPECT_EQ(totals.latency.mean_ns(), 2'500'500);
  EXPECT_EQ(totals.lag.count(), 1u);
  EXPECT_EQ(totals.lag.max, 7u);
  EXPECT_NEAR(static_cast<double>(totals.latency.percentile(0.5)), 1'000, 32);
}

TEST(Tally, ThreadsAddUp) {
  Tally one;
  Tally other;
  one.add(Count::right, 5);
  one.record_latency(10);
  other.add(Count::right, 6);
  other.record_latency(20);
  Totals sum;
  sum.add(one.read());
  sum.add(other.read());
  EXPECT_EQ(sum[Count::right], 11u);
  EXPECT_EQ(sum.latency.count(), 2u);
  EXPECT_EQ(sum.latency.max, 20u);
}

TEST(Tally, ClassesHaveLedgersOfTheirOwn) {
  Tally one;
  one.class_sent(0);
  one.class_sent(1);
  one.class_sent(1);
  one.class_answered(1);
  one.record_class_latency(1, 300);
  Totals sum = one.read();
  sum.add(one.read());
  EXPECT_EQ(sum.classes[0].sent, 2u);
  EXPECT_EQ(sum.classes[0].lost(), 2u);
  EXPECT_EQ(sum.classes[1].sent, 4u);
  EXPECT_EQ(sum.classes[1].lost(), 2u);
  EXPECT_EQ(sum.classes[1].latency.count(), 2u);
  EXPECT_EQ(sum.classes[1].latency.mean_ns(), 300);
  EXPECT_EQ(sum.latency.count(), 0u);
}

TEST(Tally, LossIsWhatWasNotAnsweredInTime) {
  Tally tally;
  EXPECT_EQ(tally.read().loss(), 0);
  tally.add(Count::sent, 8);
  tally.add(Count::timed_out, 1);
  tally.add(Count::late, 1);
  tally.add(Count::outstanding, 1);
  tally.add(Count::busy, 2);
  EXPECT_EQ(tally.read().lost(), 4u);
  EXPECT_EQ(tally.read().loss(), 0.5);
}

TEST(Tally, ALedgerThatBalances) {
  Tally tally;
  EXPECT_EQ(tally.read().imbalance(), std::nullopt);
  tally.add(Count::planned, 14);
  tally.add(Count::missed, 1);
  tally.add(Count::sent, 13);
  tally.add(Count::right, 6);
  tally.add(Count::wrong, 1);
  tally.add(Count::busy, 3);
  tally.add(Count::timed_out, 2);
  tally.add(Count::outstanding, 1);
  tally.add(Count::packets_in, 15);
  tally.add(Count::late, 1);
  tally.add(Count::duplicate, 1);
  tally.add(Count::unknown, 1);
  tally.add(Count::malformed, 2);
  EXPECT_EQ(tally.read().imbalance(), std::nullopt);
}

TEST(Tally, ALedgerThatDoesNot) {
  Tally planned;
  planned.add(Count::planned, 2);
  planned.add(Count::sent, 1);
  EXPECT_THAT(planned.read().imbalance().value_or(""), HasSubstr("planned 2 is not sent 1 +"));
  EXPECT_EQ(planned.read().imbalance(), planned.read().imbalance_of_sending());
  Tally sent;
  sent.add(Count::planned, 2);
  sent.add(Count::sent, 2);
  sent.add(Count::right, 1);
  sent.add(Count::packets_in, 1);
  EXPECT_THAT(sent.read().imbalance().value_or(""), HasSubstr("sent 2 is not right 1 +"));
  Tally packets;
  packets.add(Count::packets_in, 1);
  EXPECT_THAT(packets.read().imbalance().value_or(""), HasSubstr("packets_in 1 is not"));
}

}  // namespace
}  // namespace cpss::udpblast
