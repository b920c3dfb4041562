// Started as root, the server gives up the privileges that it does not need once it is set up, and
// becomes the user of CPSS_USER, in every thread and process, also in those that replace others.
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/end_to_end/child_processes.h"
#include "tests/end_to_end/every_model.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/support/eventually.h"
#include "tests/support/forked_process.h"
#include "tests/support/sanitizers.h"

namespace cpss {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kNobody = "65534:65534";  // also valid if no database has such a user
constexpr const char* kNone = "0000000000000000";
constexpr const char* kNiceAlone = "0000000000800000";  // CAP_SYS_NICE, 1 << 23

// The values of `field` in /proc/PID/status (proc(5)) of all threads of the server's processes.
std::set<std::string> in_every_thread(pid_t server, const std::string& field) {
  std::vector<pid_t> processes{server};
  for (const auto& [child, name] : children_of(server)) processes.push_back(child);
  std::set<std::string> values;
  for (const pid_t process : processes)
    for (const auto& thread :
         std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/task")) {
      std::ifstream status(thread.path() / "status");
      for (std::string line; std::getline(status, line);)
        if (line.starts_with(field + ":\t")) values.insert(line.substr(field.size() + 2));
    }
  return values;
}

// Waits for it: the thread that wrote the log before the server gave up its rights may still be
// about to end.
void expect_in_every_thread(pid_t server, const std::string& field, const std::string& value) {
  std::set<std::string> values;
  EXPECT_TRUE(eventually([&] {
    values = in_every_thread(server, field);
    return values == std::set{value};
  })) << field
      << ": " << testing::PrintToString(values);
}

// `but`: the one effective and permitted capability that remains.
void expect_no_capability(pid_t server, const char* but = kNone) {
  for (const char* set : {"CapEff", "CapPrm"}) expect_in_every_thread(server, set, but);
  for (const char* set : {"CapInh", "CapAmb", "CapBnd"}) expect_in_every_thread(server, set, kNone);
  expect_in_every_thread(server, "NoNewPrivs", "1");
}

class Privileges : public testing::TestWithParam<ModelUnderTest> {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    // The thread of ThreadSanitizer keeps the rights with which it began.
    if (kThreadSanitizer) GTEST_SKIP() << "sanitizers have threads of their own";
  }
};
INSTANTIATE_TEST_SUITE_P(All, Privileges, testing::ValuesIn(every_model()), model_name);

TEST_P(Privileges, OfRootNothingIsLeftOnceItRuns) {
  ServerProcess server(program::kServer, under(GetParam(), {{"CPSS_SERVICE", "echo"}}));
  expect_no_capability(server.pid());
  expect_in_every_thread(server.pid(), "Uid", "0\t0\t0\t0");
  UdpClient client(server.address());
  EXPECT_EQ(client.ask("root without rights"), "root without rights");
  server.expect_clean_end();
}

// The region is in a folder that this user may not even enter; another user opened the log.
TEST_P(Privileges, BecomesTheUserItIsTold) {
  ServerProcess server(program::kServer,
                       under(GetParam(), {{"CPSS_SERVICE", "echo"}, {"CPSS_USER", kNobody}}));
  expect_no_capability(server.pid());
  const std::string nobody = "65534\t65534\t65534\t65534";
  expect_in_every_thread(server.pid(), "Uid", nobody);
  expect_in_every_thread(server.pid(), "Gid", nobody);
  expect_in_every_thread(server.pid(), "Groups", "65534 ");
  struct stat region {};
  ASSERT_EQ(stat(server.stats_file().c_str(), &region), 0);
  EXPECT_EQ(region.st_uid, 65534U);
  EXPECT_EQ(region.st_gid, 65534U);
  UdpClient client(server.address());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.ask("nobody"), "nobody");
  server.expect_clean_end();
  EXPECT_THAT(server.process().errors(), HasSubstr("final ledger"));
}

// The user of CPSS_USER may not replace a file in root's folder.
TEST_P(Privileges, ARestartHasItsRegionInThePlaceOfTheOneBefore) {
  const TemporaryFolder folder;
  for (int start = 0; start < 2; ++start) {
    ServerProcess server(program::kServer,
                         under(GetParam(), {{"CPSS_SERVICE", "echo"},
                                            {"CPSS_USER", kNobody},
                                            {"CPSS_STATS_FILE", folder.file("stats")}}));
    EXPECT_EQ(server.stats().at("pid"), server.pid());
    struct stat region {};
    ASSERT_EQ(stat(server.stats_file().c_str(), &region), 0);
    EXPECT_EQ(region.st_uid, 65534U);
    UdpClient client(server.address());
    EXPECT_EQ(client.ask("again"), "again");
    server.expect_clean_end();
  }
}

class PrivilegesOfProcesses : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    // The thread of ThreadSanitizer keeps the rights with which it began.
    if (kThreadSanitizer) GTEST_SKIP() << "sanitizers have threads of their own";
  }
};

// A process that replaces another one gets its lane's real-time class, without the right to it.
TEST_F(PrivilegesOfProcesses, ThoseThatReplaceOthersAreRealTimeAndHaveNoRights) {
  const sched_param fifo{.sched_priority = 1};
  int refused = 0;
  std::jthread([&] { refused = pthread_setschedparam(pthread_self(), SCHED_FIFO, &fifo); }).join();
  if (refused != 0) GTEST_SKIP() << "no permission for the real-time class";
  ServerProcess server(program::kServer, {{"CPSS_MODEL", "mp"},
                                          {"CPSS_LANES", "1"},
                                          {"CPSS_SERVICE", "echo"},
                                          {"CPSS_USER", kNobody},
                                          {"CPSS_RECV_THREADS_RT", "1"},
                                          {"CPSS_RT_ALLOW_SMALL", "1"}});
  const auto first = children_of(server.pid());
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(sched_getscheduler(first.begin()->first), SCHED_FIFO);
  kill(first.begin()->first, SIGKILL);
  ASSERT_TRUE(eventually([&] {
    const auto now = children_of(server.pid());
    return now.size() == 1 && now != first && sched_getscheduler(now.begin()->first) == SCHED_FIFO;
  })) << server.process().errors();
  // If root may not raise its own limit, the server keeps the capability instead.
  ForkedProcess raises_limit([] {
    const rlimit limit{1, 1};
    return setrlimit(RLIMIT_RTPRIO, &limit) == 0 ? 0 : 1;
  });
  const bool by_limit = raises_limit.exit_code() == 0;
  expect_no_capability(server.pid(), by_limit ? kNone : kNiceAlone);
  UdpClient client(server.address());
  EXPECT_EQ(client.ask("again"), "again");
  server.expect_clean_end();
}

// Without its capabilities root may write there no more than any other user.
TEST_F(PrivilegesOfProcesses, InAFolderOfAnotherUserARestartHasItsRegion) {
  const TemporaryFolder folder;
  ASSERT_EQ(chown(folder.path().c_str(), 65534, 65534), 0);
  ASSERT_EQ(chmod(folder.path().c_str(), 0755), 0);
  for (int start = 0; start < 2; ++start) {
    ServerProcess server(program::kServer, {{"CPSS_STATS_FILE", folder.file("stats")}});
    EXPECT_EQ(server.stats().at("pid"), server.pid());
    server.expect_clean_end();
  }
}

class WrongUser : public testing::Test {
 protected:
  Finished refused(const std::string& user, std::vector<std::string> options = {}) {
    options.insert(options.begin(), program::kServer);
    return run_refused(std::move(options), {{"CPSS_USER", user}}, folder_.file("stats"));
  }
  TemporaryFolder folder_;
};

TEST_F(WrongUser, Is78AndSaysWhatIsMissing) {
  const Finished unknown = refused("no-such-user");
  EXPECT_EQ(unknown.code, 78);
  EXPECT_THAT(unknown.errors, HasSubstr("CPSS_USER: 'no-such-user' names no user of this host"));
  const Finished group = refused("0:no-such-group", {"--check-config"});
  EXPECT_EQ(group.code, 78);
  EXPECT_THAT(group.errors, HasSubstr("names no group of this host"));
  const Finished alone = refused("4000000001");
  EXPECT_EQ(alone.code, 78);
  EXPECT_THAT(alone.errors, HasSubstr("its group has to be given: '4000000001:GROUP'"));
}

TEST_F(WrongUser, WithoutTheRightToIs77) {
  for (const int capability : {CAP_SETUID, CAP_SETGID, CAP_CHOWN})
    for (const std::vector<std::string>& options :
         {std::vector<std::string>{}, std::vector<std::string>{"--check-config"}}) {
      Finished result;
      // For this thread and its children: not even root gets it back by executing the server.
      std::jthread([&] {
        if (geteuid() == 0) prctl(PR_CAPBSET_DROP, capability);
        result = refused("1:1", options);
      }).join();
      EXPECT_EQ(result.code, 77) << capability;
      EXPECT_THAT(result.errors, AllOf(HasSubstr("cannot become user 1, group 1 (CPSS_USER)"),
                                       HasSubstr("CAP_SETUID, CAP_SETGID and CAP_CHOWN")));
    }
}

}  // namespace
}  // namespace cpss
