// Traces a process, so that its parent cannot reap it after its end until the tracer lets go
// (ptrace(2)). It stands for a process that the kernel does not come to end.
#pragma once

#include <gtest/gtest.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <unistd.h>

#include "tests/support/eventually.h"
#include "tests/support/forked_process.h"

namespace cpss {

class Tracer {
 public:
  // The tracer is not a child of this process, which may reap all its children.
  explicit Tracer(pid_t traced) {
    ForkedProcess parent([&] {
      if (::fork() != 0) return 0;
      ::alarm(60);  // even if the test does not let it go
      const bool traces = ::ptrace(PTRACE_SEIZE, traced, nullptr, nullptr) == 0;
      (traces ? traces_ : may_not_).open();
      if (traces) let_go_.wait();
      ::_exit(0);
    });
    EXPECT_EQ(parent.exit_code(), 0);
  }
  bool traces() {
    return eventually([this] { return traces_.is_open() || may_not_.is_open(); }) &&
           traces_.is_open();
  }
  void let_go() { let_go_.open(); }

 private:
  ProcessGate traces_, may_not_, let_go_;
};

}  // namespace cpss
