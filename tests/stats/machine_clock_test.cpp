#include "stats/machine_clock.h"

#include <gtest/gtest.h>

namespace cpss {
namespace {

// The format of the kernel (fs/proc/base.c, proc_timens_offsets).
TEST(ClockTest, OffsetsOfATimeNamespaceAreRead) {
  const ClockOffsets ahead = parse_clock_offsets(
      "monotonic           86400         5\nboottime       7       500000000\n");
  EXPECT_EQ(ahead.monotonic_ns, 86'400'000'000'005);
  EXPECT_EQ(ahead.boottime_ns, 7'500'000'000);
  const ClockOffsets behind = parse_clock_offsets("monotonic -2 250000000\nboottime 0 0\n");
  EXPECT_EQ(behind.monotonic_ns, -1'750'000'000) << "the ns are added, never taken away";
}

TEST(ClockTest, WhatIsNotUnderstoodIsNoOffset) {
  for (const char* text : {"", "monotonic", "monotonic x y\n", "realtime 5 0\n", "\n\n"}) {
    EXPECT_EQ(parse_clock_offsets(text).monotonic_ns, 0) << text;
    EXPECT_EQ(parse_clock_offsets(text).boottime_ns, 0) << text;
  }
}

}  // namespace
}  // namespace cpss
