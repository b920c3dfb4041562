#include "server/daemon/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/standard_error.h"
#include "server/daemon/standard_streams.h"
#include "tests/support/eventually.h"
#include "tests/support/forked_process.h"
#include "tests/support/stuck_output.h"

namespace cpss {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

// Runs `body` with `pipe` as standard error, in a process of its own, since the log has a thread.
void run_with_log_to(FullPipe& pipe, const std::function<void()>& body) {
  ForkedProcess process([&] {
    ::dup2(pipe.descriptor(), STDERR_FILENO);
    log::set_up();
    body();
    return testing::Test::HasFailure() ? 1 : 0;
  });
  EXPECT_EQ(process.exit_code(), 0);
}

TEST(LogTest, ALineHasTimeNameAndLevel) {
  FullPipe pipe;
  pipe.read();
  run_with_log_to(pipe, [] {
    log::info("said");
    log::flush();
  });
  EXPECT_THAT(pipe.read(), MatchesRegex("....-..-..T..:..:......[+-]..:.. cpssd info: said\n"));
}

TEST(LogTest, LinesThatFindNoRoomAreCountedAndToldInOneLine) {
  FullPipe pipe;
  run_with_log_to(pipe, [&pipe] {
    for (std::size_t i = 0; i < AsyncWriter::kCapacity + 9; ++i)
      log::info("line " + std::to_string(i));
    EXPECT_EQ(log::lost(), 9u);
    std::string text;
    EXPECT_TRUE(eventually([&] {
      const bool written = standard_error().idle();
      text += pipe.read();
      return written;
    }));
    EXPECT_THAT(text, HasSubstr("line " + std::to_string(AsyncWriter::kCapacity - 1) + '\n'));
    EXPECT_THAT(text, testing::Not(HasSubstr("are lost")));
    log::tell_losses();
    log::warning("and on");
    log::flush();
    EXPECT_THAT(pipe.read(),
                MatchesRegex(".*warning: lines of the log that are lost here: 9 [^\n]*\n"
                             ".*warning: and on\n"));
    EXPECT_EQ(log::lost(), 9u);
  });
}

// A lane that meets a broken invariant ends the process, even if no process reads the log.
TEST(StandardStreams, TerminateDoesNotWaitForItsReader) {
  FullPipe pipe;
  ForkedProcess process([&]() -> int {
    secure_standard_streams();
    ::dup2(pipe.descriptor(), STDERR_FILENO);
    std::terminate();
  });
  EXPECT_TRUE(eventually([&] { return process.ended(); })) << "it stands still";
  if (!process.ended()) process.kill();
  const int status = process.wait();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) << status;
}

TEST(StandardStreams, ErrorsAreToldInOrder) {
  FullPipe pipe;
  pipe.read();
  run_with_log_to(pipe, [] {
    log::info("before");
    complain("one\ntwo");
    log::flush();
  });
  EXPECT_THAT(pipe.read(), MatchesRegex(".*before\ncpssd: error: one\ncpssd: error: two\n"));
}

}  // namespace
}  // namespace cpss
