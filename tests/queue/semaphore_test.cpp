#include "queue/semaphore.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/queue/zeroed_memory.h"

namespace cpss {
namespace {

using std::chrono::milliseconds;

Deadline in(milliseconds span) {
  return std::chrono::steady_clock::now() + span;
}

TEST(Semaphore, GivesWhatWasPosted) {
  Semaphore semaphore(2);
  EXPECT_EQ(semaphore.post(3).value, 5u);
  EXPECT_EQ(semaphore.try_take(4), 4u);
  EXPECT_EQ(semaphore.try_take(4), 1u);
  EXPECT_EQ(semaphore.try_take(4), 0u);
}

TEST(Semaphore, ShareIsRoundedUpAndBounded) {
  Semaphore semaphore(10);
  EXPECT_EQ(semaphore.try_take(100, 3), 4u);  // of 10
  EXPECT_EQ(semaphore.try_take(100, 3), 2u);  // of 6
  EXPECT_EQ(semaphore.try_take(1, 3), 1u);    // of 4, as asked
  EXPECT_EQ(semaphore.try_take(100, 100), 1u);
}

TEST(Semaphore, PostWithoutWaiterMakesNoSystemCall) {
  Semaphore semaphore;
  EXPECT_EQ(semaphore.post(1).wakes, 0u);
  EXPECT_EQ(semaphore.try_take(1), 1u);
}

// P14, S4.
TEST(Semaphore, TakeThatTimesOutTakesNothing) {
  Semaphore semaphore;
  const TakeResult result = semaphore.take(5, 1, in(milliseconds(5)));
  EXPECT_EQ(result.status, TakeStatus::timed_out);
  EXPECT_EQ(result.tokens, 0u);
  EXPECT_EQ(semaphore.waiters_guess(), 0u);
  semaphore.post(1);
  EXPECT_EQ(semaphore.try_take(5), 1u);
}

TEST(Semaphore, DeadlineInThePastStillTakesWhatIsThere) {
  Semaphore semaphore(1);
  EXPECT_EQ(semaphore.take(5, 1, in(milliseconds(-10))).tokens, 1u);
  EXPECT_EQ(semaphore.take(5, 1, in(milliseconds(-10))).status, TakeStatus::timed_out);
}

TEST(Semaphore, ClosedGivesTheRestAndThenSaysSo) {
  Semaphore semaphore(3);
  semaphore.close();
  EXPECT_TRUE(semaphore.closed());
  EXPECT_EQ(semaphore.take(2).tokens, 2u);
  EXPECT_EQ(semaphore.take(2).tokens, 1u);
  EXPECT_EQ(semaphore.take(2).status, TakeStatus::closed);
  EXPECT_EQ(semaphore.take(2).status, TakeStatus::closed);
}

// P13.
TEST(Semaphore, CloseWakesEveryWaiter) {
  Semaphore semaphore;
  std::vector<std::thread> waiters;
  std::atomic<int> told{0};
  for (int i = 0; i < 8; ++i)
    waiters.emplace_back([&] { told += semaphore.take(1).status == TakeStatus::closed ? 1 : 0; });
  while (semaphore.waiters_guess() < 8) std::this_thread::yield();
  semaphore.close();
  for (std::thread& waiter : waiters) waiter.join();
  EXPECT_EQ(told, 8);
}

// One post of many tokens wakes one waiter, which wakes the next.
TEST(Semaphore, WokenWaitersWakeEachOther) {
  Semaphore semaphore;
  std::vector<std::thread> waiters;
  for (int i = 0; i < 8; ++i)
    waiters.emplace_back([&] { EXPECT_EQ(semaphore.take(1).tokens, 1u); });
  while (semaphore.waiters_guess() < 8) std::this_thread::yield();
  EXPECT_EQ(semaphore.post(8).wakes, 1u);
  for (std::thread& waiter : waiters) waiter.join();
  EXPECT_EQ(semaphore.value_guess(), 0u);
}

// F05.
TEST(SemaphoreDeathTest, OverflowIsABrokenInvariant) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Semaphore semaphore(Semaphore::kMaxValue);
  EXPECT_DEATH(semaphore.post(1), "broken invariant.*S1");
}

class WithEventFd : public testing::Test {
 protected:
  ~WithEventFd() override { close(fd_); }
  bool signalled() const {
    pollfd event{fd_, POLLIN, 0};
    return poll(&event, 1, 0) == 1;
  }
  const int fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  Semaphore semaphore_{0, {Scope::process_private, fd_}};
};

TEST_F(WithEventFd, IsWrittenOnlyWhileSomebodyWaits) {
  EXPECT_EQ(semaphore_.post(1).wakes, 0u);
  EXPECT_FALSE(signalled());
  EXPECT_EQ(semaphore_.try_take(1), 1u);

  semaphore_.begin_wait();
  EXPECT_EQ(semaphore_.poll_wait(4).status, TakeStatus::waiting);
  EXPECT_EQ(semaphore_.post(2).wakes, 1u);
  EXPECT_TRUE(signalled());
  EXPECT_EQ(semaphore_.post(1).wakes, 0u) << "a wake-up is on its way already";
  EXPECT_EQ(semaphore_.poll_wait(4).tokens, 3u);
  EXPECT_FALSE(signalled());
  EXPECT_EQ(semaphore_.post(1).wakes, 0u);
}

TEST_F(WithEventFd, SecondWaiterIsWokenByTheFirst) {
  semaphore_.begin_wait();
  semaphore_.begin_wait();
  semaphore_.post(2);
  const TakeResult first = semaphore_.poll_wait(1);
  EXPECT_EQ(first.tokens, 1u);
  EXPECT_EQ(first.wakes, 1u);
  EXPECT_TRUE(signalled());
  EXPECT_EQ(semaphore_.poll_wait(1).tokens, 1u);
}

TEST_F(WithEventFd, WaiterThatGivesUpPassesItsWakeUpOn) {
  semaphore_.begin_wait();
  semaphore_.begin_wait();
  semaphore_.post(1);
  EXPECT_EQ(semaphore_.end_wait(), 1u);
  EXPECT_TRUE(signalled());
  EXPECT_EQ(semaphore_.poll_wait(1).tokens, 1u);
  EXPECT_EQ(semaphore_.waiters_guess(), 0u);
}

TEST_F(WithEventFd, CloseTellsAll) {
  semaphore_.begin_wait();
  semaphore_.begin_wait();
  semaphore_.close();
  EXPECT_TRUE(signalled());
  EXPECT_EQ(semaphore_.poll_wait(1).status, TakeStatus::closed);
  EXPECT_TRUE(signalled()) << "for the other one";
  EXPECT_EQ(semaphore_.poll_wait(1).status, TakeStatus::closed);
}

TEST(Semaphore, WorksBetweenProcesses) {
  const ZeroedMemory memory(2 * sizeof(Semaphore), ZeroedMemory::Sharing::process_shared);
  const WakeOptions shared{Scope::process_shared, -1};
  auto* there = new (memory.get()) Semaphore(0, shared);
  auto* back = new (static_cast<char*>(memory.get()) + sizeof(Semaphore)) Semaphore(0, shared);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    for (int i = 0; i < 1000; ++i) {
      if (there->take(1, 1, in(milliseconds(10'000))).tokens != 1) _exit(1);
      back->post(1);
    }
    _exit(0);
  }
  for (int i = 0; i < 1000; ++i) {
    there->post(1);
    ASSERT_EQ(back->take(1, 1, in(milliseconds(10'000))).tokens, 1u);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace cpss
