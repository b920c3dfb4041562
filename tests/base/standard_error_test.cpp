#include "base/standard_error.h"

#include <cstdlib>
#include <functional>

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include "queue/invariant.h"
#include "tests/support/eventually.h"
#include "tests/support/forked_process.h"
#include "tests/support/stuck_output.h"

namespace cpss {
namespace {

// The end, as in waitpid(2), of a process that runs `body` with `where` as its standard error.
int end_of(const std::string& where, const std::function<void()>& body) {
  ForkedProcess process([&] {
    const FileDescriptor file(::open(where.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC));
    ::dup2(file.get(), STDERR_FILENO);
    body();
    return 0;
  });
  EXPECT_TRUE(eventually([&] { return process.ended(); })) << "it stands still";
  if (!process.ended()) process.kill();
  return process.wait();
}

class StuckStandardError : public testing::Test {
 protected:
  FullPipe pipe_;
  StoppedTerminal terminal_;
  const std::string places_[2] = {pipe_.path(), terminal_.path()};
};

TEST_F(StuckStandardError, DoesNotHoldUpTheEndOfAProcess) {
  for (const std::string& place : places_)
    EXPECT_EQ(end_of(place,
                     [] {
                       standard_error().put("a line\n");
                       flush_standard_error();
                       std::exit(0);  // NOLINT(concurrency-mt-unsafe): as main() does
                     }),
              0)
        << place;
}

TEST_F(StuckStandardError, DoesNotHoldUpSignalHandlers) {
  for (const std::string& place : places_) {
    EXPECT_EQ(end_of(place, [] { say_at_once("a line\n"); }), 0) << place;
  }
}

TEST_F(StuckStandardError, DoesNotKeepABrokenInvariantFromEndingTheProcess) {
  for (const std::string& place : places_) {
    const int status = end_of(place, [] { invariant(false, "of this test"); });
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) << place;
  }
}

TEST(StandardError, IsWrittenAtOnceWhereThereIsRoom) {
  FullPipe pipe;
  pipe.read();
  EXPECT_EQ(end_of(pipe.path(), [] { say_at_once("a line\n"); }), 0);
  EXPECT_EQ(pipe.read(), "a line\n");
}

}  // namespace
}  // namespace cpss
