#include "tools/udpblast/workload.h"

#include <string_view>

#include <gtest/gtest.h>

namespace cpss::udpblast {
namespace {

std::span<const std::byte> bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

TEST(Difference, NamesTheFirstByte) {
  EXPECT_EQ(first_difference(bytes("abc"), bytes("abc")), std::nullopt);
  EXPECT_EQ(first_difference(bytes("abc"), bytes("aBC")), "byte 1 is 0x42 instead of 0x62");
  EXPECT_EQ(first_difference(bytes("abc"), bytes("ab")), "2 bytes instead of 3");
  EXPECT_EQ(first_difference(bytes("ab"), bytes("abc")), "3 bytes instead of 2");
}

}  // namespace
}  // namespace cpss::udpblast
