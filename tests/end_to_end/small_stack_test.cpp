// Stack limits (ulimit -s) below a server's need: it serves all the same, or says why not.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/end_to_end/every_model.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"

namespace cpss {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::vector<std::string> under_limit(const std::string& limit, const std::string& program) {
  return {"/bin/sh", "-c", "ulimit " + limit + "; exec \"$0\"", program};
}

// System calls with the max number of messages need the largest stacks.
const Environment kLargestBatches = {{"CPSS_SERVICE", "deferring"}, {"CPSS_BATCH", "1024"}};

class SmallStack : public testing::TestWithParam<ModelUnderTest> {
 protected:
  void expect_to_serve(const std::string& limit, Environment more = {}) {
    more.insert(kLargestBatches.begin(), kLargestBatches.end());
    ServerProcess server(under_limit(limit, program::kTestServer),
                         under(GetParam(), std::move(more)));
    UdpClient client(server.address());
    for (int i = 0; i < 20; ++i) ASSERT_EQ(client.ask("question"), "question");
    server.wait_until_idle(20);
    server.expect_clean_end();
    EXPECT_EQ(server.ledger("answered"), 20u);
  }
};

TEST_P(SmallStack, WhatMayBeRaisedDoesNotMatter) {
  expect_to_serve("-S -s 128");
}

TEST_P(SmallStack, ThreadsHaveTheirOwnAndLanesInPlaceAreRefused) {
  const std::string limit = "-s 256";
  if (GetParam().name != "mp_prefork") return expect_to_serve(limit);
  const TemporaryFolder folder;
  const Finished result = run_refused(under_limit(limit, program::kTestServer),
                                      under(GetParam(), kLargestBatches), folder.file("stats"));
  EXPECT_EQ(result.code, 70);
  EXPECT_THAT(result.errors, AllOf(HasSubstr("256 KiB"), HasSubstr("1024 KiB"),
                                   HasSubstr("model mp"), HasSubstr("ulimit -Hs")));
}

INSTANTIATE_TEST_SUITE_P(Models, SmallStack, testing::ValuesIn(every_model()), model_name);

TEST(SmallStackOf, WorkersOnDemandThreadsAndTheirStarter) {
  ServerProcess server(under_limit("-s 256", program::kTestServer), {{"CPSS_SERVICE", "deferring"},
                                                                     {"CPSS_WORKER_THREADS", "1"},
                                                                     {"CPSS_ONDEMAND_THREADS", "4"},
                                                                     {"CPSS_BATCH", "1024"}});
  UdpClient client(server.address());
  for (int i = 0; i < 50; ++i) ASSERT_EQ(client.send("question"), 0);
  server.wait_until_idle(50);
  server.expect_clean_end();
  EXPECT_EQ(server.ledger("answered"), 50u);
}

TEST(SmallStackOf, TheMainThread) {
  const TemporaryFolder folder;
  const Finished result =
      run_refused(under_limit("-s 64", program::kServer), {}, folder.file("stats"));
  EXPECT_EQ(result.code, 70);
  EXPECT_THAT(result.errors,
              AllOf(HasSubstr("64 KiB"), HasSubstr("256 KiB"), HasSubstr("ulimit -Hs")));
}

// udpblast and getstat need less.
TEST(SmallStackOf, TheOtherPrograms) {
  ServerProcess server(program::kServer, {});
  const SocketAddress address = server.address();
  const Finished blast = run_program(
      {"/bin/sh", "-c", "ulimit -s 64; exec \"$0\" \"$@\"", program::kBlast, "-s",
       address.ip().to_string(), "-p", std::to_string(address.port()), "--count", "1000", "-c", "2",
       "-T", "2", "--segment", "8", "--stats-file", server.stats_file(), "--json"});
  EXPECT_EQ(blast.code, 0) << blast.output << blast.errors;
  for (const char* what : {"--json", "--verify"}) {
    const Finished look = run_program({"/bin/sh", "-c", "ulimit -s 64; exec \"$0\" \"$@\"",
                                       program::kGetstat, "--file", server.stats_file(), what});
    EXPECT_EQ(look.code, 0) << look.output << look.errors;
  }
  server.expect_clean_end();
}

}  // namespace
}  // namespace cpss
