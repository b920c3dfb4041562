#include "server/daemon/privileges.h"

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/eventually.h"
#include "tests/support/forked_process.h"

namespace cpss {
namespace {

// Sleeps as a write to a hanging disk does: the parent of such a child sleeps until the child is
// gone, and only a signal that kills reaches it.
void sleep_where_no_signal_reaches() {
  const long child = ::syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
  if (child != 0) return;
  // It has the test's output open, for whose end a caller waits.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::alarm(60);
  for (;;) ::pause();
}

bool sleeps_uninterruptibly(pid_t thread) {
  std::ifstream status("/proc/self/task/" + std::to_string(thread) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("State:")) return line.find('D') != std::string::npos;
  return false;
}

// The log's thread may stand still.
TEST(PrivilegesTest, AreGivenUpThoughAnotherThreadStandsStill) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  constexpr uid_t kNobody = 65534;
  ForkedProcess process([] {
    std::atomic<pid_t> other = 0;
    std::thread([&] {
      other = ::gettid();
      sleep_where_no_signal_reaches();
    }).detach();
    if (!eventually([&] { return other != 0 && sleeps_uninterruptibly(other); })) return 1;
    give_up_privileges(UserIdentity{kNobody, kNobody, {kNobody}}, std::nullopt);
    return ::getuid() == kNobody && ::getgid() == kNobody ? 0 : 2;
  });
  ASSERT_TRUE(eventually([&] { return process.ended(); }));
  EXPECT_EQ(process.exit_code(), 0);
}

}  // namespace
}  // namespace cpss
