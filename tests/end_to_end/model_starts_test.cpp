// Starts that fail, and starts in unusual environments, under every model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/end_to_end/every_model.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

using testing::HasSubstr;

class ModelStarts : public testing::TestWithParam<ModelUnderTest> {};

TEST_P(ModelStarts, ALaneThatMayNotStartIs77AndSaysWhatToDo) {
  const TemporaryFolder folder;
  const std::string without_the_right =
      geteuid() == 0 ? "exec /usr/bin/setpriv --bounding-set=-sys_nice \"$0\"" : "exec \"$0\"";
  const Finished result =
      run_refused({"/bin/sh", "-c", "ulimit -r 0; " + without_the_right, program::kServer},
                  under(GetParam(), {{"CPSS_RECV_THREADS_RT", "5"}, {"CPSS_RT_ALLOW_SMALL", "1"}}),
                  folder.file("stats"));
  EXPECT_EQ(result.code, 77);
  EXPECT_THAT(result.errors, HasSubstr("CAP_SYS_NICE"));
}

// The process that starts the server may ignore SIGCHLD, which outlives exec; then the kernel does
// not tell a parent how its children ended.
TEST_P(ModelStarts, WorksWhereSigchldIsIgnored) {
  ServerProcess server({"/usr/bin/env", "--ignore-signal=CHLD", program::kServer},
                       under(GetParam(), {{"CPSS_SERVICE", "echo"}}));
  UdpClient client(server.address());
  for (int i = 0; i < 40; ++i) {
    const std::string text = "message " + std::to_string(i);
    EXPECT_EQ(client.ask(text), text);
  }
  server.wait_until_idle(40);
  server.expect_clean_end();
}

INSTANTIATE_TEST_SUITE_P(Every, ModelStarts, testing::ValuesIn(every_model()), model_name);

}  // namespace
}  // namespace cpss
