#include "net/offload_pause.h"

#include <gtest/gtest.h>

namespace cpss {
namespace {

TEST(OffloadPause, LastsAsLongAsItIsAndThenHasNotBegun) {
  constexpr std::uint64_t kStart = 1'000'000;
  constexpr std::uint64_t kEnd = kStart + OffloadPause::kLength.count();
  OffloadPause pause;
  EXPECT_FALSE(pause.begun());
  for (int i = 0; i < 2; ++i) {
    pause.begin(kStart);
    EXPECT_TRUE(pause.begun());
    EXPECT_FALSE(pause.over(kStart));
    EXPECT_FALSE(pause.over(kEnd - 1));
    EXPECT_TRUE(pause.begun());
    EXPECT_TRUE(pause.over(kEnd));
    EXPECT_FALSE(pause.begun());
  }
}

TEST(OffloadPause, AnotherRefusalBeginsItAnew) {
  constexpr std::uint64_t kLength = OffloadPause::kLength.count();
  OffloadPause pause;
  pause.begin(1);
  pause.begin(kLength);
  EXPECT_FALSE(pause.over(1 + kLength));
  EXPECT_TRUE(pause.over(2 * kLength));
}

}  // namespace
}  // namespace cpss
