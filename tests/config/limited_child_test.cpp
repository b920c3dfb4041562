#include "config/limited_child.h"

#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <system_error>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/sanitizers.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;

// Long enough for a machine that has much else to do.
constexpr ChildLimits kLimits{.address_space_bytes = std::size_t{256} << 20,
                              .cpu_seconds = 1,
                              .wall_clock = 100s,
                              .answer_bytes = std::size_t{4} << 20};

// All children have been reaped.
void expect_no_children() {
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

std::string failure(const std::function<std::string()>& work, const ChildLimits& limits = kLimits) {
  const ChildOutcome outcome = run_in_limited_child(work, limits);
  EXPECT_EQ(outcome.answer, std::nullopt);
  expect_no_children();
  return outcome.failure;
}

TEST(LimitedChild, BringsBackTheAnswer) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kLimits.answer_bytes}) {
    const std::string answer(size, '\0');
    EXPECT_EQ(run_in_limited_child([&] { return answer; }, kLimits).answer, answer) << size;
    expect_no_children();
  }
}

TEST(LimitedChild, WorksOnACopy) {
  int value = 1;
  run_in_limited_child([&] { return value = 2, std::string(); }, kLimits);
  EXPECT_EQ(value, 1);
}

TEST(LimitedChild, IsToldFromACrash) {
  EXPECT_EQ(failure([]() -> std::string { raise(SIGKILL), std::abort(); }), "crashed (Killed)");
  EXPECT_EQ(failure([]() -> std::string { raise(SIGABRT), std::abort(); }), "crashed (Aborted)");
}

TEST(LimitedChild, IsToldFromAnEndWithoutAnswer) {
  EXPECT_EQ(failure([]() -> std::string { _exit(0); }), "ended without an answer");
  EXPECT_EQ(failure([]() -> std::string { throw std::runtime_error("x"); }),
            "ended without an answer");
}

TEST(LimitedChild, HasLimitedMemory) {
  const auto use_memory = [] {
    if (kSanitized) throw std::bad_alloc();
    return std::string(std::size_t{300} << 20, 'x');
  };
  EXPECT_EQ(failure(use_memory), "needed more than 256 MiB of memory");
}

TEST(LimitedChild, HasLimitedProcessorTime) {
  ChildLimits limits = kLimits;
  limits.wall_clock = 100s;  // other programs may have the CPU for long
  EXPECT_EQ(failure(
                []() -> std::string {
                  for (volatile bool go_on = true; go_on;) {
                  }
                  return {};
                },
                limits),
            "needed more than 1 s of processor time");
}

TEST(LimitedChild, HasLimitedTime) {
  ChildLimits limits = kLimits;
  limits.wall_clock = 50ms;
  limits.cpu_seconds = 100;  // in case the parent gets no CPU for long
  EXPECT_EQ(failure(
                []() -> std::string {
                  for (volatile bool go_on = true; go_on;) {
                  }
                  return {};
                },
                limits),
            "did not end within 50 ms");
}

// A stopped child uses no processor time, so that limit does not end it.
TEST(LimitedChild, HasLimitedTimeAlsoWhereItIsStopped) {
  ChildLimits limits = kLimits;
  limits.wall_clock = 50ms;
  EXPECT_EQ(failure([]() -> std::string { raise(SIGSTOP), std::abort(); }, limits),
            "did not end within 50 ms");
}

TEST(LimitedChild, HasALimitedAnswer) {
  EXPECT_EQ(failure([] { return std::string(kLimits.answer_bytes + 1, 'x'); }),
            "gave more than 4194304 bytes of answer");
}

// A parent may have inherited an ignored SIGCHLD: then the kernel reaps its children.
TEST(LimitedChild, WorksWhereTheKernelReaps) {
  const auto before = signal(SIGCHLD, SIG_IGN);
  EXPECT_EQ(run_in_limited_child([] { return std::string("fine"); }, kLimits).answer, "fine");
  EXPECT_EQ(run_in_limited_child([]() -> std::string { _exit(0); }, kLimits).failure,
            "ended without an answer");
  signal(SIGCHLD, before);
}

TEST(LimitedChild, SaysWhenItCannotBeStarted) {
  if (kUndefinedBehaviorSanitizer)
    GTEST_SKIP() << "UndefinedBehaviorSanitizer needs descriptors to look at memory";
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  int error = 0;
  try {
    run_in_limited_child([] { return std::string(); }, kLimits);
  } catch (const std::system_error& no_child) {
    error = no_child.code().value();
  }
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(error, EMFILE);
}

}  // namespace
}  // namespace cpss
