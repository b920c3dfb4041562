#include "stats/process_identity.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/forked_process.h"

namespace cpss {
namespace {

TEST(ProcessIdentityTest, ThisProcessRuns) {
  const ProcessIdentity self = this_process();
  EXPECT_EQ(self.pid, static_cast<std::uint64_t>(::getpid()));
  EXPECT_GT(self.start_ticks, 0u);
  EXPECT_TRUE(is_running(self));
}

TEST(ProcessIdentityTest, AnotherProcessWithTheSamePidIsNotIt) {
  ProcessIdentity earlier = this_process();
  --earlier.start_ticks;
  EXPECT_FALSE(is_running(earlier));
}

TEST(ProcessIdentityTest, WithoutKnownTicksThePidDecides) {
  EXPECT_TRUE(is_running({static_cast<std::uint64_t>(::getpid()), 0}));
}

TEST(ProcessIdentityTest, PidsThatCannotBeAreNotRunning) {
  EXPECT_FALSE(is_running({0, 0}));
  EXPECT_FALSE(is_running({~std::uint64_t{0}, 0}));
  EXPECT_FALSE(is_running({std::uint64_t{1} << 32 | 1, 0})) << "not cut down to pid 1";
}

TEST(ProcessIdentityTest, ADeadProcessIsNotRunningReapedOrNot) {
  LastingChild child([](const auto& stay) { stay(); });
  const ProcessIdentity identity{static_cast<std::uint64_t>(child.pid()), 0};
  EXPECT_TRUE(is_running(identity));
  child.kill_without_reaping();
  siginfo_t ended{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child.pid()), &ended, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(is_running(identity)) << "a zombie";
  child.kill_and_reap();
  EXPECT_FALSE(is_running(identity));
}

TEST(ProcessIdentityTest, AProgramsNameCannotConfuse) {
  ForkedProcess child([] {
    ::prctl(PR_SET_NAME, ") Z 1 (a b");
    return is_running(this_process()) ? 0 : 1;
  });
  EXPECT_EQ(child.exit_code(), 0);
}

}  // namespace
}  // namespace cpss
