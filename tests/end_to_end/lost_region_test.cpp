// Another program removes the files of a running server's stats region.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/support/eventually.h"

namespace cpss {
namespace {

using testing::HasSubstr;

struct Model {
  std::string name;
  Environment settings;
};
void PrintTo(const Model& model, std::ostream* out) {
  *out << model.name;
}

class LostRegion : public testing::TestWithParam<Model> {
 protected:
  ServerProcess server_{program::kServer, GetParam().settings};
  const std::string file_ = server_.stats_file();
};

TEST_P(LostRegion, ItsRemovalIsLoggedAndTheServerGoesOn) {
  UdpClient client(server_.address());
  std::filesystem::rename(file_, file_ + ".away");
  server_.wait_until_logged("stats region " + file_ + " was removed");
  EXPECT_TRUE(client.ask(lookup_request("447700900123")));
  std::filesystem::rename(file_ + ".away", file_);
  server_.expect_clean_end();
  const std::string log = server_.process().errors();
  EXPECT_EQ(log.find("was removed"), log.rfind("was removed")) << "said once:\n" << log;
}

TEST_P(LostRegion, ARemovedLockFileLetsNobodyTakeThePath) {
  const std::string lock = file_ + ".lock";
  const auto expect_refused = [&] {
    const Finished second = run_refused({program::kServer}, {}, file_);
    EXPECT_EQ(second.code, 73);
    EXPECT_THAT(second.errors,
                HasSubstr("is held by another server, process " + std::to_string(server_.pid())));
    EXPECT_EQ(server_.stats().at("pid"), server_.pid());
  };
  std::filesystem::remove(lock);
  expect_refused();
  server_.wait_until_logged("lock file " + lock +
                            " was removed or replaced: it is made and locked again");
  expect_refused();
  server_.expect_clean_end();
}

INSTANTIATE_TEST_SUITE_P(
    Models, LostRegion,
    testing::Values(Model{"seda", {}}, Model{"prefork", {{"CPSS_MODEL", "mp"}}},
                    Model{"fork", {{"CPSS_MODEL", "mp"}, {"CPSS_MP", "fork"}}}),
    [](const auto& model) { return model.param.name; });

}  // namespace
}  // namespace cpss
