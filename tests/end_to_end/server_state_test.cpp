// What getstat and udpblast report about a server that hangs, or that is in other namespaces than
// they are.
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/end_to_end/child_processes.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/support/eventually.h"

namespace cpss {
namespace {

using testing::HasSubstr;

using Words = std::vector<std::string>;

Words operator+(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// The result of getstat for a region, run by the words of `where`.
struct Shown {
  std::string state;
  int code = -1;
  nlohmann::json all;
};
Shown show(const std::string& stats_file, const Words& where = {}) {
  const Finished result =
      run_program(where + Words{program::kGetstat, "--json", "--file", stats_file});
  nlohmann::json all = nlohmann::json::parse(result.output, nullptr, false);
  if (!all.is_object()) return {result.errors, result.code, {}};
  return {all.value("state", ""), result.code, std::move(all)};
}

bool comes_to(const std::string& stats_file, const std::string& state) {
  return eventually([&] { return show(stats_file).state == state; });
}

Finished verify(const std::string& stats_file) {
  return run_program({program::kGetstat, "--verify", "--file", stats_file});
}

class ServerStateOf : public testing::TestWithParam<const char*> {};

TEST_P(ServerStateOf, OneThatIsStoppedIsHungUntilItGoesOn) {
  ServerProcess server(program::kServer, {{"CPSS_MODEL", GetParam()}});
  const std::string& file = server.stats_file();
  Program watch({program::kGetstat, "--watch=0.2", "--file", file});
  const auto blast = [&] {
    return run_program({program::kBlast, "-p", std::to_string(server.port()), "--count", "10",
                        "--stats-file", file});
  };
  server.process().signal(SIGSTOP);
  EXPECT_TRUE(comes_to(file, "hung"));
  EXPECT_EQ(show(file).code, 3);
  EXPECT_GE(show(file).all["heartbeat_age_s"].get<double>(), 3);
  const Finished table = run_program({program::kGetstat, "--file", file});
  EXPECT_EQ(table.code, 3);
  EXPECT_THAT(table.output, HasSubstr("cpss hung  pid " + std::to_string(server.pid()) + "  "));
  EXPECT_THAT(table.output, HasSubstr("HUNG: process " + std::to_string(server.pid()) +
                                      " is there, but gave no sign of life for "));
  const Finished verified = verify(file);
  EXPECT_EQ(verified.code, 3);
  EXPECT_THAT(verified.output, HasSubstr("the bounds hold"));
  const Finished blasted = blast();
  EXPECT_EQ(blasted.code, 2);
  EXPECT_THAT(blasted.errors, HasSubstr("gave no sign of life for "));
  EXPECT_TRUE(eventually([&] { return watch.output().find("cpss hung") != std::string::npos; }));

  server.process().signal(SIGCONT);
  EXPECT_TRUE(comes_to(file, "live"));
  EXPECT_EQ(show(file).code, 0);
  EXPECT_EQ(blast().code, 0);
  EXPECT_TRUE(eventually([&] {
    const std::string seen = watch.output();
    return seen.rfind("cpss live") > seen.find("cpss hung") &&
           seen.rfind("cpss live") != std::string::npos;
  })) << "it recovers";
  watch.signal(SIGTERM);
  EXPECT_EQ(watch.finish().code, 0);
  server.expect_clean_end();
}

INSTANTIATE_TEST_SUITE_P(Models, ServerStateOf, testing::Values("seda", "mp"),
                         [](const auto& model) { return std::string(model.param); });

// Commands that run a program in namespaces of its own, if these can be made.
const Words kPidNamespace = {"/usr/bin/unshare", "--pid", "--fork", "--mount-proc", "--kill-child"};
const Words kTimeNamespace = {"/usr/bin/unshare", "--time",      "--monotonic", "1000000",
                              "--boottime",       "2000000",     "--pid",       "--fork",
                              "--mount-proc",     "--kill-child"};

class ServerStateIn : public testing::TestWithParam<Words> {
 protected:
  void SetUp() override {
    for (const Words& namespaces : {kPidNamespace, GetParam()}) {
      const Finished tried = run_program(namespaces + Words{"true"});
      if (tried.code != 0) GTEST_SKIP() << "no PID or time namespace: " << tried.errors;
    }
  }
  // The server behind unshare(1); throws if there is none, so that no signal goes to process 0.
  pid_t server() const {
    const auto children = children_of(unshare_->pid());
    if (children.empty()) throw std::runtime_error("the server has gone: " + unshare_->errors());
    return children.begin()->first;
  }
  void start_server() {
    unshare_.emplace(GetParam() + Words{program::kServer},
                     Environment{{"CPSS_LISTEN", "127.0.0.1:0"}, {"CPSS_STATS_FILE", file_}});
    ASSERT_TRUE(comes_to(file_, "live")) << show(file_).state << unshare_->errors();
  }

  TemporaryFolder folder_;
  std::string file_ = folder_.file("stats");
  std::optional<Program> unshare_;
};

TEST_P(ServerStateIn, AnotherNamespaceItIsJudgedAsAnyOther) {
  ASSERT_NO_FATAL_FAILURE(start_server());
  const Shown live = show(file_);
  EXPECT_EQ(live.code, 0);
  EXPECT_EQ(live.all["pid"], 1) << "as it sees itself";
  EXPECT_EQ(live.all["pid_is_foreign"], true);
  EXPECT_LT(live.all["uptime_s"].get<double>(), 600);
  EXPECT_LT(live.all["heartbeat_age_s"].get<double>(), 3);
  EXPECT_EQ(verify(file_).code, 0);
  const std::string address = live.all["listen"][0];
  const Finished blasted =
      run_program({program::kBlast, "-p", address.substr(address.rfind(':') + 1), "--count", "100",
                   "--stats-file", file_});
  EXPECT_EQ(blasted.code, 0) << blasted.output << blasted.errors;

  ::kill(server(), SIGSTOP);
  EXPECT_TRUE(comes_to(file_, "hung"));
  EXPECT_EQ(show(file_).code, 3);
  ::kill(server(), SIGCONT);
  EXPECT_TRUE(comes_to(file_, "live"));

  ::kill(server(), SIGTERM);
  EXPECT_EQ(unshare_->wait(std::chrono::seconds(20)), 0) << unshare_->errors();
  EXPECT_EQ(show(file_).state, "stopped");
  EXPECT_EQ(verify(file_).code, 0);
}

TEST_P(ServerStateIn, AnotherNamespaceItsPathIsTaken) {
  ASSERT_NO_FATAL_FAILURE(start_server());
  const Finished second = run_refused({program::kServer}, {{"CPSS_STATS_FILE", file_}}, file_);
  EXPECT_EQ(second.code, 73);
  EXPECT_THAT(second.errors, HasSubstr("held by another server"));
  EXPECT_EQ(show(file_).state, "live");
}

TEST_P(ServerStateIn, AnotherNamespaceItsDeathIsSeenAtOnce) {
  ASSERT_NO_FATAL_FAILURE(start_server());
  ::kill(server(), SIGKILL);
  EXPECT_TRUE(unshare_->wait(std::chrono::seconds(20)));
  const Shown dead = show(file_);
  EXPECT_EQ(dead.state, "stale") << "although its last heartbeat was a moment ago";
  EXPECT_EQ(dead.code, 3);
}

// In this test the reader is in the other namespace.
TEST_P(ServerStateIn, AnotherNamespaceTheReaderSeesTheServerOutside) {
  ServerProcess outside(program::kServer, {});
  const Shown live = show(outside.stats_file(), GetParam());
  EXPECT_EQ(live.state, "live");
  EXPECT_EQ(live.code, 0);
  EXPECT_EQ(live.all["pid"], outside.pid());
  EXPECT_EQ(live.all["pid_is_foreign"], true);
  EXPECT_LT(live.all["uptime_s"].get<double>(), 600);
  outside.expect_clean_end();
}

INSTANTIATE_TEST_SUITE_P(Namespaces, ServerStateIn, testing::Values(kPidNamespace, kTimeNamespace),
                         [](const auto& words) {
                           return std::string(words.index == 0 ? "pid" : "pid_and_time");
                         });

}  // namespace
}  // namespace cpss
