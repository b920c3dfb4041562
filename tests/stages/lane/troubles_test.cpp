#include "stages/lane/troubles.h"

#include <cerrno>
#include <limits>

#include <gtest/gtest.h>

namespace cpss {
namespace {

TEST(LaneTroubles, ShowsEachOnItsOwnUntilItIsOver) {
  LaneTroubles troubles;
  for (const TroubleInfo& trouble : kTroubles) EXPECT_FALSE(troubles.look(trouble.id));
  troubles.failed(Trouble::receive, ENOMEM);
  troubles.failed(Trouble::cpus);
  ASSERT_TRUE(troubles.look(Trouble::receive));
  EXPECT_EQ(troubles.look(Trouble::receive)->number, ENOMEM);
  EXPECT_EQ(troubles.look(Trouble::receive)->times, 1u);
  ASSERT_TRUE(troubles.look(Trouble::cpus));
  EXPECT_EQ(troubles.look(Trouble::cpus)->number, 0);
  EXPECT_FALSE(troubles.look(Trouble::send));
  troubles.over(Trouble::receive);
  EXPECT_FALSE(troubles.look(Trouble::receive));
  EXPECT_TRUE(troubles.look(Trouble::cpus));
}

// A reader that looks now and then has to see that it fails still, or again.
TEST(LaneTroubles, CountsOnWhateverIsInBetween) {
  LaneTroubles troubles;
  troubles.failed(Trouble::send, 1);
  troubles.over(Trouble::send);
  troubles.over(Trouble::send);
  troubles.failed(Trouble::send, std::numeric_limits<int>::max());
  troubles.failed(Trouble::send, 7);
  EXPECT_EQ(troubles.look(Trouble::send)->times, 3u);
  EXPECT_EQ(troubles.look(Trouble::send)->number, 7);
}

}  // namespace
}  // namespace cpss
