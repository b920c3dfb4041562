#include "tools/getstat/units.h"

#include <gtest/gtest.h>

namespace cpss::getstat {
namespace {

TEST(UnitsTest, TimesHaveThreeDigits) {
  EXPECT_EQ(format_time(0), "0 ns");
  EXPECT_EQ(format_time(999), "999 ns");
  EXPECT_EQ(format_time(1000), "1.00 us");
  EXPECT_EQ(format_time(9'994), "9.99 us");
  EXPECT_EQ(format_time(9'996), "10.0 us");
  EXPECT_EQ(format_time(99'960), "100 us");
  EXPECT_EQ(format_time(999'499), "999 us");
  EXPECT_EQ(format_time(999'600), "1.00 ms");
  EXPECT_EQ(format_time(56'300'000), "56.3 ms");
  EXPECT_EQ(format_time(5'000'000'000'000), "5000 s");
}

TEST(UnitsTest, SharesAreInPercent) {
  EXPECT_EQ(format_share(0), "0.0 %");
  EXPECT_EQ(format_share(0.4521), "45.2 %");
}

TEST(UnitsTest, DurationsHaveTheirTwoLargestUnits) {
  EXPECT_EQ(format_duration(0.04), "0.0 s");
  EXPECT_EQ(format_duration(59.4), "59.4 s");
  EXPECT_EQ(format_duration(59.99), "60.0 s");
  EXPECT_EQ(format_duration(60), "1 min 00 s");
  EXPECT_EQ(format_duration(3 * 3600 + 5 * 60 + 59), "3 h 05 min");
  EXPECT_EQ(format_duration(2 * 86400 + 3 * 3600), "2 d 03 h");
}

TEST(UnitsTest, SmallRatesKeepADecimal) {
  EXPECT_EQ(format_rate(0), "0/s");
  EXPECT_EQ(format_rate(0.5), "0.5/s");
  EXPECT_EQ(format_rate(9.96), "10/s");
  EXPECT_EQ(format_rate(123456.7), "123,457/s");
}

}  // namespace
}  // namespace cpss::getstat
