// How a server uses the limits of the control group that it is in: real groups. Made-up ones, of
// both versions, are read in memory_check_test.cpp and tests/server.
#include <cstddef>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/end_to_end/control_group.h"
#include "tests/end_to_end/every_model.h"
#include "tests/end_to_end/gate_file.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/support/sanitizers.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/threads.h"

namespace cpss {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class InAControlGroup : public testing::TestWithParam<ModelUnderTest> {
 protected:
  static bool gets(const ControlGroup& group, const std::string& file, int value) {
    return group.made() && group.set(file, std::to_string(value));
  }
};
INSTANTIATE_TEST_SUITE_P(All, InAControlGroup, testing::ValuesIn(every_model()), model_name);

constexpr int k100MiB = 100 << 20;

TEST_P(InAControlGroup, MoreMemoryThanItMayUseIsRefused) {
  const ControlGroup group("memory");
  if (!gets(group, "memory.limit_in_bytes", k100MiB)) GTEST_SKIP() << "no control group";
  // With a process for each message slots follow from processes: eight for each lane.
  const Environment settings =
      GetParam().name == "mp_fork"
          ? Environment{{"CPSS_LANES", "64"}, {"CPSS_MSGSIZE", "65535"}}
          : Environment{{"CPSS_QSLOTS", "60000"}, {"CPSS_MSGSIZE", "4096"}};
  const TemporaryFolder folder;
  const Finished result =
      run_refused(group.run(program::kServer), under(GetParam(), settings), folder.file("stats"));
  EXPECT_EQ(result.code, 70);
  EXPECT_THAT(result.errors, AllOf(HasSubstr("iB of memory"), HasSubstr("100.0 MiB"),
                                   HasSubstr("/memory.limit_in_bytes")));
}

// A server that is not refused must be able to use all memory that it was estimated to need.
TEST(ControlGroups, WhatFitsLivesWithEverySlotFull) {
  if (kSanitized) GTEST_SKIP() << "sanitizers need more memory";
  const ControlGroup group("memory");
  if (!group.made() || !group.set("memory.limit_in_bytes", std::to_string(k100MiB)))
    GTEST_SKIP() << "no control group";
  const GateFile gate;
  constexpr std::size_t kSlots = 8'000;
  constexpr std::size_t kAtOnce = 250;
  const std::string message(4'000, 'x');
  ServerProcess server(group.run(program::kTestServer), {{"CPSS_SERVICE", "gated"},
                                                         {"TEST_GATE", gate.path()},
                                                         {"CPSS_RECV_THREADS", "1"},
                                                         {"CPSS_QSLOTS", std::to_string(kSlots)},
                                                         {"CPSS_MSGSIZE", "4096"}});
  UdpClient client(server.address());
  for (std::size_t inside = 0; inside < kSlots; inside += kAtOnce) {
    for (std::size_t i = 0; i < kAtOnce; ++i) ASSERT_EQ(client.send(message), 0);
    server.wait_until_inside(inside + kAtOnce);
  }
  gate.open();
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), kSlots);
}

TEST_P(InAControlGroup, ThereAreNoMoreLanesThanItsCpuTimeCanRun) {
  const ControlGroup group("cpu");
  if (!gets(group, "cpu.cfs_quota_us", 150'000) || !gets(group, "cpu.cfs_period_us", 100'000))
    GTEST_SKIP() << "no control group";
  if (test::allowed_cpus().size() < 2) GTEST_SKIP() << "needs two CPUs";
  ServerProcess server(group.run(program::kServer), under(GetParam(), {{"CPSS_SERVICE", "echo"}}));
  const std::string& model = GetParam().name;
  // Without the group: a receiver for each CPU; with hand-off twice as many places for lanes. The
  // lanes of seda are one more.
  const std::size_t wanted = model == "symped_handoff" || model == "seda" ? 2 : 1;
  EXPECT_EQ(server.stats().at("receivers").size(), wanted);
  UdpClient client(server.address());
  EXPECT_EQ(client.ask("x"), "x");
  server.expect_clean_end();
}

}  // namespace
}  // namespace cpss
