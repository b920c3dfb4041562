// Shared by tests of a variable's effect: an echo server, and one that must not start.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"

namespace cpss {

inline Environment echo_with(Environment more) {
  more.emplace("CPSS_SERVICE", "echo");
  return more;
}

class VariableTest : public testing::Test {
 protected:
  // Runs a server that must not start, nor leave a region behind.
  Finished refused(Environment environment) {
    return refused({program::kServer}, std::move(environment));
  }
  Finished refused(std::vector<std::string> command, Environment environment) {
    const std::string stats_file = folder_.file("stats");
    Finished result =
        run_refused(std::move(command), echo_with(std::move(environment)), stats_file);
    EXPECT_NE(access(stats_file.c_str(), F_OK), 0) << "a region was left behind";
    EXPECT_EQ(result.errors.find("error:"), result.errors.rfind("error:")) << result.errors;
    return result;
  }

  TemporaryFolder folder_;
};

}  // namespace cpss
