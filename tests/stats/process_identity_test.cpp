#include "stats/process_identity.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/forked_process.h"

namespace cpss {
namespace {

const std::uint64_t kOurs = this_pid_namespace();

TEST(ProcessIdentityTest, ThisProcessRuns) {
  const ProcessIdentity self = this_process();
  EXPECT_EQ(self.pid, static_cast<std::uint64_t>(::getpid()));
  EXPECT_GT(self.start_ticks, 0u);
  EXPECT_EQ(is_running(self), Running::yes);
}

TEST(ProcessIdentityTest, AnotherProcessWithTheSamePidIsNotIt) {
  ProcessIdentity earlier = this_process();
  earlier.start_ticks -= 2;
  EXPECT_EQ(is_running(earlier), Running::no);
}

TEST(ProcessIdentityTest, WithoutKnownTicksThePidDecides) {
  EXPECT_EQ(is_running({static_cast<std::uint64_t>(::getpid()), 0, kOurs}), Running::yes);
}

TEST(ProcessIdentityTest, PidsThatCannotBeAreNotRunning) {
  EXPECT_EQ(is_running({0, 0, kOurs}), Running::no);
  EXPECT_EQ(is_running({~std::uint64_t{0}, 0, kOurs}), Running::no);
  EXPECT_EQ(is_running({std::uint64_t{1} << 32 | 1, 0, kOurs}), Running::no)
      << "not cut down to pid 1";
}

TEST(ProcessIdentityTest, ADeadProcessIsNotRunningReapedOrNot) {
  LastingChild child([](const auto& stay) { stay(); });
  const ProcessIdentity identity{static_cast<std::uint64_t>(child.pid()), 0, kOurs};
  EXPECT_EQ(is_running(identity), Running::yes);
  child.kill_without_reaping();
  siginfo_t ended{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child.pid()), &ended, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(is_running(identity), Running::no) << "a zombie";
  child.kill_and_reap();
  EXPECT_EQ(is_running(identity), Running::no);
}

// In another namespace the same number is another process.
TEST(ProcessIdentityTest, APidOfAnotherNamespaceSaysNothing) {
  ProcessIdentity elsewhere = this_process();
  EXPECT_NE(elsewhere.pid_namespace, 0u);
  ++elsewhere.pid_namespace;
  EXPECT_EQ(is_running(elsewhere), Running::unknown);
}

// As after unshare(1) without --mount-proc: /proc/1 is the machine's init.
TEST(ProcessIdentityTest, InANewNamespaceWithTheOldProcAProcessKnowsItself) {
  ForkedProcess outside([] {
    if (::unshare(CLONE_NEWPID) != 0) return 77;
    ForkedProcess inside([] {
      const ProcessIdentity self = this_process();
      EXPECT_EQ(self.pid, 1u);
      EXPECT_NE(self.pid_namespace, kOurs);
      EXPECT_EQ(is_running(self), Running::yes);
      // Not 2: ThreadSanitizer has a thread of its own.
      EXPECT_EQ(is_running({999, 0, self.pid_namespace}), Running::no);
      return testing::Test::HasFailure() ? 1 : 0;
    });
    return inside.exit_code();
  });
  const int code = outside.exit_code();
  if (code == 77) GTEST_SKIP() << "needs the right to make a PID namespace";
  EXPECT_EQ(code, 0);
}

TEST(ProcessIdentityTest, AProgramsNameCannotConfuse) {
  ForkedProcess child([] {
    ::prctl(PR_SET_NAME, ") Z 1 (a b");
    return is_running(this_process()) == Running::yes ? 0 : 1;
  });
  EXPECT_EQ(child.exit_code(), 0);
}

}  // namespace
}  // namespace cpss
