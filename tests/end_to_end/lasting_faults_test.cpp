// Lasting faults: the server goes on with what works, tries what fails less and less often, reports
// it (getstat: degraded), and ends as it should.
#include <cerrno>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/end_to_end/child_processes.h"
#include "tests/end_to_end/control_group.h"
#include "tests/end_to_end/every_model.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/support/eventually.h"
#include "tests/support/threads.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// The reason for this trouble; null: the server does not have it.
nlohmann::json trouble(const ServerProcess& server, const std::string& name) {
  const nlohmann::json stats = server.stats();
  for (const nlohmann::json& one : stats.at("troubles"))
    if (one.at("name") == name) {
      EXPECT_EQ(stats.at("state"), "degraded");
      return one.at("reason");
    }
  return nullptr;
}

bool gets_into(const ServerProcess& server, const std::string& name) {
  return eventually([&] { return !trouble(server, name).is_null(); });
}

std::uint64_t total(const ServerProcess& server, const std::string& counter) {
  std::uint64_t sum = 0;
  const nlohmann::json stats = server.stats();
  for (const nlohmann::json& stage : stats.at("stages"))
    sum += stage.at(counter).get<std::uint64_t>();
  return sum;
}

// The growth of a counter in a second. Never too high: the time of both readings counts as well, on
// a busy machine more than a second.
double per_second(const ServerProcess& server, const std::string& counter) {
  const auto begin = std::chrono::steady_clock::now();
  const std::uint64_t before = total(server, counter);
  std::this_thread::sleep_for(1s);
  const std::uint64_t grown = total(server, counter) - before;
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  return static_cast<double>(grown) / took.count();
}

class LastingFaults : public testing::TestWithParam<ModelUnderTest> {
 protected:
  static std::vector<std::string> with_failing(const std::vector<long>& calls, int error) {
    return {program::kFailingCalls, std::to_string(error), fmt::format("{}", fmt::join(calls, ",")),
            program::kServer};
  }
  static Environment echo() { return under(GetParam(), {{"CPSS_SERVICE", "echo"}}); }
};
INSTANTIATE_TEST_SUITE_P(All, LastingFaults, testing::ValuesIn(every_model()), model_name);

TEST_P(LastingFaults, OfReceivingCostNothing) {
  ServerProcess server(with_failing({SYS_recvmmsg}, ENOMEM), echo());
  UdpClient client(server.address());
  for (int i = 0; i < 5; ++i) ASSERT_EQ(client.send("x"), 0);
  ASSERT_TRUE(gets_into(server, "receive"));
  EXPECT_EQ(trouble(server, "receive"), "Cannot allocate memory");
  // Pauses of 1 ms, 2 ms, 4 ms ... 1 s: in any second each lane makes at most 11 tries of two
  // calls.
  const std::size_t lanes = server.stats().at("receivers").size();
  EXPECT_LE(per_second(server, "receive_errors"), 2.0 * 11 * static_cast<double>(lanes));
  server.expect_clean_end();
  EXPECT_THAT(server.process().errors(), HasSubstr("receive failed: Cannot allocate memory"));
  EXPECT_EQ(server.stats().at("state"), "stopped");
}

TEST_P(LastingFaults, OfWaitingCostNextToNothingAndAllIsAnswered) {
  ServerProcess server(with_failing({SYS_epoll_wait, SYS_epoll_pwait}, ENOMEM), echo());
  UdpClient client(server.address());
  ASSERT_TRUE(gets_into(server, "wait"));
  const std::size_t lanes = server.stats().at("receivers").size();
  EXPECT_LE(per_second(server, "wait_errors"), 150.0 * static_cast<double>(lanes))
      << "100 are meant";
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.ask("x"), "x");
  server.expect_clean_end();
}

TEST_P(LastingFaults, OfSendingAreShownAsLongAsTheyLast) {
  ServerProcess server(with_failing({SYS_sendmmsg}, ENOBUFS), echo());
  UdpClient client(server.address());
  ASSERT_TRUE(eventually([&] {
    EXPECT_EQ(client.send("x"), 0);
    return !trouble(server, "send").is_null();
  }));
  EXPECT_TRUE(eventually([&] { return server.stats().at("state") == "live"; })) << "it is over";
  EXPECT_GT(server.reason("failed.send_no_memory"), 0u);
  server.expect_clean_end();
}

// --- CPUs that are taken away ---

class ShrunkCpuset : public testing::TestWithParam<ModelUnderTest> {};
INSTANTIATE_TEST_SUITE_P(All, ShrunkCpuset, testing::ValuesIn(every_model()), model_name);

TEST_P(ShrunkCpuset, WhatThereIsIsUsedAndSaidUntilTheCpusAreBack) {
  const std::vector<unsigned> cpus = test::allowed_cpus();
  if (cpus.size() < 2) GTEST_SKIP() << "needs two CPUs";
  const ControlGroup cpuset("cpuset");
  const std::string all = cpuset.text("../cpuset.cpus");
  if (!cpuset.made() || !cpuset.set("cpuset.mems", cpuset.text("../cpuset.mems")) ||
      !cpuset.set("cpuset.cpus", all))
    GTEST_SKIP() << "no cpuset to be made";
  ServerProcess server(cpuset.run(program::kServer),
                       under(GetParam(), {{"CPSS_SERVICE", "echo"},
                                          {"CPSS_RECV_CPUS", std::to_string(cpus.back())}}));
  UdpClient client(server.address());
  EXPECT_EQ(client.ask("x"), "x");
  ASSERT_TRUE(cpuset.set("cpuset.cpus", std::to_string(cpus.front())));
  ASSERT_TRUE(gets_into(server, "cpus"));
  server.wait_until_logged("none of the CPUs given may be used any more");
  EXPECT_EQ(client.ask("y"), "y");
  // Processes that start now run, too.
  const auto before = children_of(server.pid());
  for (const auto& [child, name] : before) ::kill(child, SIGKILL);
  if (GetParam().name == "mp_prefork") {
    EXPECT_TRUE(eventually([&] { return children_of(server.pid()).size() == before.size(); }));
    EXPECT_TRUE(eventually([&] { return client.ask("z") == "z"; }));
  }
  ASSERT_TRUE(cpuset.set("cpuset.cpus", all));
  EXPECT_TRUE(eventually([&] { return server.stats().at("state") == "live"; }))
      << server.stats().at("troubles");
  server.expect_clean_end();
}

}  // namespace
}  // namespace cpss
