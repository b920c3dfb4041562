#include "stages/lane/crowding.h"

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/time_units.h"

namespace cpss {
namespace {

using test::kMs;

// A lane whose kernel tells what the test says.
class CrowdingTest : public testing::Test {
 protected:
  CrowdingTest() {
    kernel_says(0);
    crowding_.look(now_, 0);
  }
  void kernel_says(std::uint64_t waited_ns) {
    std::ofstream(path_) << "123456789 " << waited_ns << " 17\n";
  }
  // After so much more time, in which the lane ran and waited for so long.
  bool look(std::uint64_t span, std::uint64_t ran, std::uint64_t waited) {
    now_ += span;
    ran_ += ran;
    waited_ += waited;
    kernel_says(waited_);
    return crowding_.look(now_, ran_);
  }

  TemporaryFolder folder_;
  std::string path_ = folder_.file("schedstat");
  Crowding crowding_{path_.c_str()};
  std::uint64_t now_ = 1'000 * kMs;
  std::uint64_t ran_ = 0;
  std::uint64_t waited_ = 0;
};

TEST_F(CrowdingTest, ALaneThatWaitsAsLongAsItRunsIsCrowded) {
  ASSERT_TRUE(look(kMs, kMs / 2, kMs / 2));
  EXPECT_TRUE(crowding_.crowded());
  EXPECT_FALSE(crowding_.has_room());
}

TEST_F(CrowdingTest, ALaneThatMostlyRunsHasRoom) {
  ASSERT_TRUE(look(2 * kMs, 2 * kMs - kMs / 4, kMs / 4));
  EXPECT_FALSE(crowding_.crowded());
  EXPECT_TRUE(crowding_.has_room());
}

TEST_F(CrowdingTest, InBetweenItIsNeither) {
  ASSERT_TRUE(look(2 * kMs, kMs, kMs / 3));
  EXPECT_FALSE(crowding_.crowded());
  EXPECT_FALSE(crowding_.has_room());
}

// It is woken often, waits a little each time, and runs a little.
TEST_F(CrowdingTest, ALaneThatMostlySleepsIsNeither) {
  ASSERT_TRUE(look(2 * kMs, kMs / 10, kMs / 10));
  EXPECT_FALSE(crowding_.crowded());
  ASSERT_TRUE(look(2 * kMs, kMs / 10, 0));
  EXPECT_FALSE(crowding_.has_room());
}

TEST_F(CrowdingTest, ItLooksOnceAMillisecondAndAfterALongTimeAnew) {
  ASSERT_TRUE(look(kMs, kMs / 2, kMs / 2));
  EXPECT_FALSE(look(kMs / 2, kMs / 2, 0));
  EXPECT_TRUE(crowding_.crowded()) << "as of the last look";
  EXPECT_FALSE(look(50 * kMs, 0, 50 * kMs)) << "most of that time may be long ago";
  ASSERT_TRUE(look(kMs, kMs, 0));
  EXPECT_FALSE(crowding_.crowded());
}

TEST_F(CrowdingTest, WhereTheKernelSaysNothingNobodyIsCrowded) {
  for (const char* path : {"/nonexistent/schedstat", "/dev/null"}) {
    Crowding crowding(path);
    crowding.look(now_, 0);
    EXPECT_TRUE(crowding.look(now_ + kMs, kMs / 2));
    EXPECT_FALSE(crowding.crowded()) << path;
  }
}

TEST_F(CrowdingTest, ThisKernelTells) {
  Crowding crowding;
  const std::uint64_t begin = monotonic_ns();
  crowding.look(begin, thread_cpu_ns());
  while (monotonic_ns() < begin + 2 * kMs) {
  }
  EXPECT_TRUE(crowding.look(begin + 2 * kMs, thread_cpu_ns()));
  EXPECT_FALSE(crowding.crowded() && crowding.has_room());
}

}  // namespace
}  // namespace cpss
