// A test body in a network namespace of its own (GoogleTest form of run_in_namespace()).
#pragma once

#include <chrono>
#include <functional>

#include <gtest/gtest.h>

#include "tests/support/namespace.h"

namespace cpss {

// Must be the last statement of a test. The child prints the failures in `body`, and they fail the
// test; where there can be no namespace the test is skipped with the reason. `limit`: as for
// run_in_namespace().
inline void run_isolated(std::chrono::seconds limit, const std::function<void()>& body) {
  const std::string no_ip = why_no_ip_command();
  if (!no_ip.empty()) GTEST_SKIP() << no_ip;
  const NamespaceRun run = run_in_namespace(
      [&] {
        body();
        return testing::Test::HasFailure() ? 1 : 0;
      },
      limit);
  if (!run.exit_status) GTEST_SKIP() << run.not_possible;
  EXPECT_EQ(*run.exit_status, 0) << "see the output above";
}

inline void run_isolated(const std::function<void()>& body) {
  run_isolated(std::chrono::seconds(60), body);
}

}  // namespace cpss
