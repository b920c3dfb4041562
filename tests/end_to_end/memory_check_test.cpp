// A server that may come to use more memory than the machine or its control group has.
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/end_to_end/every_model.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class MemoryCheck : public testing::TestWithParam<ModelUnderTest> {
 protected:
  // A machine of 1 GiB, with a control group of version 2 of 100 MiB.
  MemoryCheck() {
    std::filesystem::create_directories(proc_ + "/self");
    std::filesystem::create_directories(group_);
    write_file(proc_ + "/meminfo", "MemTotal:  1048576 kB\n");
    write_file(proc_ + "/self/cgroup", "0::/cpss.service\n");
    write_file(proc_ + "/self/mountinfo",
               "31 23 0:28 / " + folder_.file("cgroup") + " rw - cgroup2 cgroup2 rw\n");
    write_file(group_ + "/memory.max", "104857600\n");
  }
  Environment with(Environment more) const {
    more.insert({{"TEST_PROC", proc_},
                 {"CPSS_SERVICE", "echo"},
                 {"CPSS_LANES", "2"},
                 {"CPSS_SOCKET_BUFFER", "64KiB"}});
    if (GetParam().name != "mp_prefork" && GetParam().name != "mp_fork" &&
        !GetParam().name.starts_with("symped"))
      more.erase("CPSS_LANES");
    return under(GetParam(), std::move(more));
  }
  Finished refused(Environment more, std::vector<std::string> options = {}) const {
    options.insert(options.begin(), program::kTestServer);
    return run_refused(std::move(options), with(std::move(more)), folder_.file("stats"));
  }

  const TemporaryFolder folder_;
  const std::string proc_ = folder_.file("proc");
  const std::string group_ = folder_.file("cgroup") + "/cpss.service";
};

Environment too_much(const ModelUnderTest& model) {
  Environment settings = {{"CPSS_QSLOTS", "60000"}, {"CPSS_MSGSIZE", "65535"}};
  // With a process for each message slots follow from processes: at most eight for each lane.
  if (model.name == "mp_fork") settings["CPSS_LANES"] = "32";
  return settings;
}

TEST_P(MemoryCheck, MoreThanTheGroupMayUseIsRefusedWithBothFigures) {
  const Environment settings = too_much(GetParam());
  for (const bool checked : {false, true}) {
    const Finished result = refused(settings, checked ? std::vector<std::string>{"--check-config"}
                                                      : std::vector<std::string>{});
    EXPECT_EQ(result.code, 70);
    EXPECT_THAT(result.errors, AllOf(HasSubstr("iB of memory"), HasSubstr("100.0 MiB"),
                                     HasSubstr(group_ + "/memory.max"), HasSubstr("CPSS_QSLOTS"),
                                     HasSubstr("CPSS_MEMORY_CHECK=warn")));
    EXPECT_THAT(result.errors, Not(HasSubstr(" 0.0 MiB for counters")));
  }
}

TEST_P(MemoryCheck, WhatFitsIsGoodToTheCheck) {
  Environment settings = with({{"CPSS_QSLOTS", "1024"}});
  // With many lanes; none of them reads merged datagrams.
  if (GetParam().name == "symped_handoff") settings["CPSS_LANES"] = "32";
  settings["CPSS_STATS_FILE"] = folder_.file("stats");
  const Finished result = run_program({program::kTestServer, "--check-config"}, settings);
  EXPECT_EQ(result.code, 0) << result.errors;
}

TEST_P(MemoryCheck, WithAWarningItStarts) {
  Environment settings = too_much(GetParam());
  settings["CPSS_MEMORY_CHECK"] = "warn";
  ServerProcess server(program::kTestServer, with(settings));
  UdpClient client(server.address());
  EXPECT_EQ(client.ask("question"), "question");
  server.expect_clean_end();
  EXPECT_THAT(server.process().errors(), AllOf(HasSubstr("iB of memory"), HasSubstr("100.0 MiB")));
}

TEST_P(MemoryCheck, WhatFitsStartsInSilence) {
  ServerProcess server(program::kTestServer, with({{"CPSS_QSLOTS", "1024"}}));
  server.expect_clean_end();
  EXPECT_THAT(server.process().errors(), Not(HasSubstr("of memory")));
}

INSTANTIATE_TEST_SUITE_P(Models, MemoryCheck, testing::ValuesIn(every_model()), model_name);

TEST(MemoryCheckOf, ThisMachine) {
  const TemporaryFolder folder;
  const Finished result =
      run_refused({program::kServer}, {{"CPSS_QSLOTS", "16000000"}, {"CPSS_MSGSIZE", "65535"}},
                  folder.file("stats"));
  EXPECT_EQ(result.code, 70);
  EXPECT_THAT(result.errors, AllOf(HasSubstr("16000000 slots of 65535 bytes"),
                                   HasSubstr("CPSS_MEMORY_CHECK=warn")));
}

}  // namespace
}  // namespace cpss
