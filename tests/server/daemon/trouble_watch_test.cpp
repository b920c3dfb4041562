#include "server/daemon/trouble_watch.h"

#include <cerrno>
#include <csignal>

#include <gtest/gtest.h>

#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

class TroubleWatchTest : public testing::Test {
 protected:
  static RegionOptions about(const std::string& path) {
    RegionOptions options;
    options.path = path;
    options.blocks = {{"recv-0", StageId::receive}, {"main", StageId::server}};
    return options;
  }
  std::vector<TroubleSnapshot> look(std::uint64_t now_ns) {
    watch_.look(scoreboard_, region_, now_ns);
    return region_.snapshot().troubles;
  }

  TemporaryFolder folder_;
  StatsRegion region_{about(folder_.file("stats"))};
  Scoreboard scoreboard_{{"recv-0", "recv-1", "svc-0"}, 0, 1, 1, Sharing::process_private};
  TroubleWatch watch_{3};
};

TEST_F(TroubleWatchTest, WithoutTroubleThereIsNothingToSay) {
  EXPECT_TRUE(look(0).empty());
}

TEST_F(TroubleWatchTest, SaysWhatItIsWhyAndHowManyLanesAreInIt) {
  scoreboard_.troubles(0).failed(Trouble::receive, ENOMEM);
  scoreboard_.troubles(1).failed(Trouble::receive, ENOMEM);
  scoreboard_.troubles(2).failed(Trouble::process_death, SIGKILL);
  const auto troubles = look(kSecond);
  ASSERT_EQ(troubles.size(), 2u);
  EXPECT_EQ(troubles[0].name, "receive");
  EXPECT_EQ(troubles[0].help, info(Trouble::receive).help);
  EXPECT_EQ(troubles[0].reason, "Cannot allocate memory");
  EXPECT_EQ(troubles[0].lanes, 2u);
  EXPECT_EQ(troubles[1].name, "process_death");
  EXPECT_EQ(troubles[1].reason, "Killed");
  EXPECT_EQ(troubles[1].lanes, 1u);
  scoreboard_.troubles(0).over(Trouble::receive);
  EXPECT_EQ(look(kSecond)[0].lanes, 1u);
  scoreboard_.troubles(1).over(Trouble::receive);
  EXPECT_EQ(look(kSecond).size(), 1u);
}

TEST_F(TroubleWatchTest, OfSeveralLanesItSaysWhyTheLastOneFailed) {
  scoreboard_.troubles(1).failed(Trouble::receive, ENOMEM);
  look(kSecond);
  scoreboard_.troubles(0).failed(Trouble::receive, EPERM);
  const auto troubles = look(2 * kSecond);
  ASSERT_EQ(troubles.size(), 1u);
  EXPECT_EQ(troubles[0].lanes, 2u);
  EXPECT_EQ(troubles[0].reason, "Operation not permitted");
}

// An action that is not tried again never reports that its trouble is over.
TEST_F(TroubleWatchTest, WhatFailsNoMoreIsForgottenAfterAWhile) {
  scoreboard_.troubles(0).failed(Trouble::thread_start, EAGAIN);
  scoreboard_.troubles(1).failed(Trouble::cpus);
  EXPECT_EQ(look(10 * kSecond).size(), 2u);
  EXPECT_EQ(look(11 * kSecond).size(), 2u);
  scoreboard_.troubles(0).failed(Trouble::thread_start, EAGAIN);
  EXPECT_EQ(look(12 * kSecond).size(), 2u);
  EXPECT_EQ(look(14 * kSecond - 1).size(), 2u) << "less than two seconds";
  const auto left = look(14 * kSecond);
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].name, "cpus") << "until somebody says that it is over";
  scoreboard_.troubles(0).failed(Trouble::thread_start, EAGAIN);
  EXPECT_EQ(look(20 * kSecond).size(), 2u) << "it fails again";
}

TEST_F(TroubleWatchTest, SinceWhenIsKeptAsLongAsItLasts) {
  scoreboard_.troubles(0).failed(Trouble::send, ENOBUFS);
  const std::uint64_t since = look(kSecond)[0].since_ns;
  EXPECT_GT(since, 0u);
  scoreboard_.troubles(0).failed(Trouble::send, ENOMEM);
  EXPECT_EQ(look(2 * kSecond)[0].since_ns, since);
  EXPECT_EQ(look(2 * kSecond)[0].reason, "Cannot allocate memory") << "the last time";
  EXPECT_TRUE(look(9 * kSecond).empty());
  scoreboard_.troubles(0).failed(Trouble::send, ENOBUFS);
  EXPECT_GT(look(10 * kSecond)[0].since_ns, since);
}

}  // namespace
}  // namespace cpss
