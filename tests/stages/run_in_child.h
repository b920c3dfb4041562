// A test body in a child process: what it does to its process does not stay.
#pragma once

#include <gtest/gtest.h>

#include "tests/support/forked_process.h"

namespace cpss::test {

// The child prints the failures in `body`, and they fail the test.
template <class Body>
void run_in_child(const Body& body) {
  ForkedProcess child([&body] {
    body();
    return testing::Test::HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(child.exit_code(), 0) << "see the output above";
}

}  // namespace cpss::test
