#include "base/async_writer.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <set>
#include <string>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/eventually.h"
#include "tests/support/stuck_output.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/threads.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 20s;

// While it exists, the calling thread has one CPU and the class SCHED_FIFO, as have the threads
// that it starts: each with the caller's priority at its start, so none runs before the caller
// waits, and then that with the highest priority first.
class OrderOfThreads {
 public:
  OrderOfThreads() {
    sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(test::first_allowed_cpu(), &one);
    EXPECT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  }
  ~OrderOfThreads() {
    const sched_param none{};
    sched_setscheduler(0, SCHED_OTHER, &none);
    sched_setaffinity(0, sizeof before_, &before_);
  }
  OrderOfThreads(const OrderOfThreads&) = delete;
  OrderOfThreads& operator=(const OrderOfThreads&) = delete;

  void priority(int priority) {
    sched_param parameters{};
    parameters.sched_priority = priority;
    EXPECT_EQ(sched_setscheduler(0, SCHED_FIFO, &parameters), 0);
  }

 private:
  cpu_set_t before_{};
};

// Of this process.
std::set<pid_t> thread_ids() {
  std::set<pid_t> ids;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task"))
    ids.insert(std::stoi(task.path().filename()));
  return ids;
}

// Reads until `writer` has written all its text.
std::string read_to_the_end(FullPipe& pipe, const AsyncWriter& writer) {
  std::string text;
  EXPECT_TRUE(eventually([&] {
    const bool idle = writer.idle();
    text += pipe.read();
    return idle;
  }));
  return text;
}

TEST(AsyncWriterTest, WritesInOrder) {
  const TemporaryFolder folder;
  const FileDescriptor file(
      ::open(folder.file("log").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  AsyncWriter writer(file.get(), "test");
  std::string expected;
  for (int i = 0; i < 500; ++i) {
    const std::string text = std::to_string(i) + '\n';
    ASSERT_TRUE(writer.put(text));
    expected += text;
  }
  EXPECT_TRUE(writer.flush(kPatience));
  EXPECT_TRUE(writer.idle());
  EXPECT_EQ(read_file(folder.file("log")), expected);
  EXPECT_EQ(writer.lost(), 0u);
  EXPECT_EQ(writer.take_losses(), 0u);
}

TEST(AsyncWriterTest, NothingWaitsForAPipeThatNobodyReads) {
  FullPipe pipe;
  AsyncWriter writer(pipe.descriptor(), "test", 4);
  for (const char* text : {"1\n", "2\n", "3\n", "4\n"}) EXPECT_TRUE(writer.put(text));
  for (int i = 0; i < 7; ++i) EXPECT_FALSE(writer.put("too many\n"));
  EXPECT_EQ(writer.lost(), 7u);
  EXPECT_EQ(writer.take_losses(), 0u) << "there is no room yet to tell them in";
  EXPECT_FALSE(writer.flush(20ms));
  EXPECT_EQ(read_to_the_end(pipe, writer), "1\n2\n3\n4\n");
}

TEST(AsyncWriterTest, WhatWasLostIsToldOnceAndBeforeAnythingElse) {
  FullPipe pipe;
  AsyncWriter writer(pipe.descriptor(), "test", 4);
  while (writer.put("before\n")) {
  }
  EXPECT_FALSE(writer.put("lost, too\n"));
  EXPECT_EQ(read_to_the_end(pipe, writer), "before\nbefore\nbefore\nbefore\n");
  EXPECT_FALSE(writer.put("lost: the owner does not know of the gap\n"));
  EXPECT_EQ(writer.take_losses(), 3u);
  EXPECT_EQ(writer.take_losses(), 0u);
  EXPECT_TRUE(writer.put("after\n"));
  EXPECT_EQ(read_to_the_end(pipe, writer), "after\n");
  EXPECT_EQ(writer.lost(), 3u);
}

TEST(AsyncWriterTest, AChangeOfThreadLosesNothingAndNoCount) {
  FullPipe pipe;
  AsyncWriter writer(pipe.descriptor(), "test", 2);
  for (const char* text : {"1\n", "2\n"}) EXPECT_TRUE(writer.put(text));
  EXPECT_FALSE(writer.put("too many\n"));
  writer.change_thread("other");
  EXPECT_EQ(writer.lost(), 1u);
  std::string text;
  EXPECT_TRUE(eventually([&] {
    text += pipe.read();
    return text == "1\n2\n";
  })) << text;
  EXPECT_EQ(writer.take_losses(), 1u);
  EXPECT_TRUE(writer.put("3\n"));
  EXPECT_EQ(read_to_the_end(pipe, writer), "3\n");
}

// Texts that the old thread has not written yet count as well.
TEST(AsyncWriterTest, AfterAChangeOfThreadAllCountsThatWasPutBefore) {
  FullPipe pipe;
  AsyncWriter writer(pipe.descriptor(), "test");
  for (const char* text : {"1\n", "2\n"}) EXPECT_TRUE(writer.put(text));
  writer.change_thread("second");
  writer.change_thread("third");
  EXPECT_TRUE(writer.put("3\n"));
  EXPECT_FALSE(writer.idle());
  EXPECT_FALSE(writer.flush(20ms));
  EXPECT_EQ(writer.lost(), 0u);
  pipe.close_the_reading_end();
  EXPECT_TRUE(writer.flush(kPatience));
  EXPECT_EQ(writer.lost(), 3u);
  EXPECT_EQ(writer.refusal(), EPIPE);
}

TEST(AsyncWriterTest, AChangeOfThreadKeepsTheOrder) {
  FullPipe pipe;
  AsyncWriter writer(pipe.descriptor(), "test");
  std::string expected;
  for (int i = 0; i < 50; ++i) {
    const std::string text = std::to_string(i) + '\n';
    ASSERT_TRUE(writer.put(text));
    expected += text;
    if (i % 10 == 5) writer.change_thread("other");
  }
  EXPECT_EQ(read_to_the_end(pipe, writer), expected);
}

// The first thread has the rights that a change of thread is to give up. On a busy machine the
// second one may run before it.
TEST(AsyncWriterTest, AChangeOfThreadEndsAlsoAThreadThatStartsLate) {
  if (!test::may_use_real_time()) GTEST_SKIP() << "no permission for the real-time class";
  const std::set<pid_t> before = thread_ids();
  OrderOfThreads order;
  order.priority(1);
  AsyncWriter writer(STDERR_FILENO, "first");
  order.priority(2);
  writer.change_thread("second");
  EXPECT_TRUE(eventually([&] {
    const std::set<pid_t> now = thread_ids();
    return std::ranges::count_if(now, [&](pid_t id) { return !before.contains(id); }) == 1 &&
           test::threads_of(getpid()).contains("second");
  }));
}

TEST(AsyncWriterTest, DoesNotWaitForItsThread) {
  FullPipe pipe;
  const auto begin = std::chrono::steady_clock::now();
  {
    AsyncWriter writer(pipe.descriptor(), "test");
    EXPECT_TRUE(writer.put("written all the same\n"));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kPatience);
  std::string text;
  EXPECT_TRUE(eventually([&] { return (text += pipe.read()) == "written all the same\n"; }))
      << text;
}

// SIGPIPE, if it came, would end this process.
TEST(AsyncWriterTest, WhatTheDescriptorRefusesIsLost) {
  FullPipe pipe;
  pipe.close_the_reading_end();
  AsyncWriter writer(pipe.descriptor(), "test");
  EXPECT_EQ(writer.refusal(), 0);
  EXPECT_TRUE(writer.put("one\n"));
  EXPECT_TRUE(writer.put("two\n"));
  EXPECT_TRUE(writer.flush(kPatience));
  EXPECT_EQ(writer.refusal(), EPIPE);
  EXPECT_EQ(writer.lost(), 2u);
  EXPECT_EQ(writer.take_losses(), 0u) << "nobody could be told";
}

// The reader stands still until the queue is full, then dies, and another one comes.
TEST(AsyncWriterTest, AfterAGapItGoesOnThoughTheLastTextWasRefused) {
  const TemporaryFolder folder;
  const std::string path = folder.file("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const auto reader = [&] {
    return FileDescriptor(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  };
  FileDescriptor reading_end = reader();
  const FileDescriptor end(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(end.valid());
  ::fcntl(end.get(), F_SETPIPE_SZ, 4096);
  AsyncWriter writer(end.get(), "test", 4);
  const std::string page(4095, 'x');
  while (writer.put(page + '\n')) {
  }
  reading_end = FileDescriptor();
  EXPECT_TRUE(writer.flush(kPatience));
  EXPECT_EQ(writer.refusal(), EPIPE);
  EXPECT_EQ(writer.take_losses(), 0u) << "nobody could be told";

  reading_end = reader();
  std::string text(8192, '\0');
  while (::read(reading_end.get(), text.data(), text.size()) > 0) {
  }
  EXPECT_TRUE(writer.put("again\n"));
  EXPECT_TRUE(writer.flush(kPatience));
  EXPECT_EQ(writer.refusal(), 0);
  const ssize_t got = ::read(reading_end.get(), text.data(), text.size());
  EXPECT_EQ(text.substr(0, got > 0 ? static_cast<std::size_t>(got) : 0), "again\n");
  EXPECT_GT(writer.lost(), 0u);
  EXPECT_EQ(writer.take_losses(), writer.lost());
}

TEST(AsyncWriterTest, ADescriptorThatOthersMadeNonBlockingLosesNothing) {
  FullPipe pipe;
  ASSERT_EQ(::fcntl(pipe.descriptor(), F_SETFL, O_NONBLOCK), 0);
  AsyncWriter writer(pipe.descriptor(), "test");
  std::string expected;
  for (int i = 0; i < 20; ++i) {
    expected += std::string(1000, static_cast<char>('a' + i)) + '\n';
    EXPECT_TRUE(writer.put(expected.substr(expected.size() - 1001)));
  }
  EXPECT_EQ(read_to_the_end(pipe, writer), expected);
  EXPECT_EQ(writer.lost(), 0u);
}

// Other processes that have it open share its flags.
TEST(AsyncWriterTest, LeavesTheDescriptorAsItIs) {
  FullPipe pipe;
  AsyncWriter writer(pipe.descriptor(), "test");
  EXPECT_TRUE(writer.put("text"));
  EXPECT_FALSE(writer.flush(20ms));
  EXPECT_EQ(::fcntl(pipe.descriptor(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(read_to_the_end(pipe, writer), "text");
}

TEST(AsyncWriterTest, AStoppedTerminalGetsItAllWhenItGoesOn) {
  StoppedTerminal terminal;
  const FileDescriptor end(::open(terminal.path().c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC));
  AsyncWriter writer(end.get(), "test");
  for (const char* text : {"one ", "two ", "three"}) EXPECT_TRUE(writer.put(text));
  EXPECT_FALSE(writer.flush(20ms));
  terminal.go_on();
  EXPECT_TRUE(writer.flush(kPatience));
  EXPECT_EQ(terminal.read(), "one two three");
}

}  // namespace
}  // namespace cpss
