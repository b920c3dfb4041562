#include "tools/udpblast/option_values.h"

#include <gtest/gtest.h>

namespace cpss::udpblast {
namespace {

TEST(OptionValues, WholeNumbersWithinTheLimits) {
  EXPECT_EQ(parse_whole("1", 1, 10), 1u);
  EXPECT_EQ(parse_whole("010", 1, 10), 10u);
  EXPECT_EQ(parse_whole("18446744073709551615", 0, ~std::uint64_t{0}), ~std::uint64_t{0});
}

TEST(OptionValues, WholeNumbersThatAreNone) {
  for (const char* text :
       {"", "-1", "+1", "0", "11", "0x1", "1 ", " 1", "1.5", "1e1", "ten", "18446744073709551617"})
    EXPECT_THROW(parse_whole(text, 1, 10), BadValue) << text;
}

TEST(OptionValues, Seconds) {
  EXPECT_EQ(parse_seconds_ns("5"), 5'000'000'000u);
  EXPECT_EQ(parse_seconds_ns("0.25"), 250'000'000u);
  EXPECT_EQ(parse_seconds_ns(".5"), 500'000'000u);
  for (const char* text :
       {"", ".", "0", "0.0", "-1", "inf", "nan", "1e3", "1s", "1.2.3", "99999999999", "1,5"})
    EXPECT_THROW(parse_seconds_ns(text), BadValue) << text;
}

TEST(OptionValues, Shares) {
  EXPECT_DOUBLE_EQ(parse_share("0"), 0);
  EXPECT_DOUBLE_EQ(parse_share("0.001"), 0.001);
  EXPECT_DOUBLE_EQ(parse_share("0.1%"), 0.001);
  EXPECT_DOUBLE_EQ(parse_share("100%"), 1);
  for (const char* text : {"", "%", "1.1", "101%", "-0.1", "5 %", "a", "0.1%%"})
    EXPECT_THROW(parse_share(text), BadValue) << text;
}

TEST(OptionValues, Bursts) {
  EXPECT_EQ(parse_burst("64/10").messages, 64u);
  EXPECT_EQ(parse_burst("64/10").gap_ns, 10'000'000u);
  EXPECT_EQ(parse_burst("1/0.001").gap_ns, 1'000u);
  for (const char* text :
       {"", "/", "5", "5/", "/5", "0/5", "5/0", "5/0.0001", "-1/5", "5/5/5", "5/5ms", "1000001/1"})
    EXPECT_THROW(parse_burst(text), BadValue) << text;
}

}  // namespace
}  // namespace cpss::udpblast
