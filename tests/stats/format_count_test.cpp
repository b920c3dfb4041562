#include "stats/format_count.h"

#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

namespace cpss {
namespace {

TEST(FormatCountTest, HasSeparators) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1,000");
  EXPECT_EQ(format_count(2020222), "2,020,222");
  EXPECT_EQ(format_count(~std::uint64_t{0}), "18,446,744,073,709,551,615");
}

TEST(FormatCountTest, HasASignWhereItIsNegative) {
  EXPECT_EQ(format_signed_count(-999), "-999");
  EXPECT_EQ(format_signed_count(-1000), "-1,000");
  EXPECT_EQ(format_signed_count(1000), "1,000");
  EXPECT_EQ(format_signed_count(std::numeric_limits<std::int64_t>::min()),
            "-9,223,372,036,854,775,808");
}

TEST(FormatBytesTest, HasOneDecimalOfItsUnit) {
  EXPECT_EQ(format_bytes(0), "0 bytes");
  EXPECT_EQ(format_bytes(1'023), "1023 bytes");
  EXPECT_EQ(format_bytes(1'024), "1.0 KiB");
  EXPECT_EQ(format_bytes(1'048'575), "1.0 MiB");
  EXPECT_EQ(format_bytes(51'380'224), "49.0 MiB");
  EXPECT_EQ(format_bytes(std::uint64_t{3} << 40), "3072.0 GiB");
}

}  // namespace
}  // namespace cpss
