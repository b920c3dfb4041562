#include "stages/lane/progress.h"

#include <gtest/gtest.h>

namespace cpss {
namespace {

TEST(LaneProgress, ALongWaitWithinAStepIsNoWaitInTheWaitPlace) {
  LaneProgress progress;
  EXPECT_TRUE(progress.waiting()) << "it does not run";
  EXPECT_TRUE(progress.may_take_long());
  progress.waits(false);
  EXPECT_FALSE(progress.may_take_long());
  {
    const LongWait wait(progress);
    EXPECT_FALSE(progress.waiting());
    EXPECT_TRUE(progress.may_take_long());
  }
  EXPECT_FALSE(progress.may_take_long());
  progress.waits(true);
  EXPECT_TRUE(progress.waiting());
  EXPECT_TRUE(progress.may_take_long());
}

}  // namespace
}  // namespace cpss
