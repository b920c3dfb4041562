// How long lanes wait for queues: with a longest wait at most that long, even if a wake-up is lost;
// without one until they are woken.
#include "stages/lane/wait.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <thread>

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include "queue/slot_queue.h"
#include "queue/worker_occupancy.h"
#include "queue/worker_queue.h"
#include "services/echo.h"
#include "stages/lane/queue_wait.h"
#include "stages/service/worker.h"
#include "tests/stages/full_socket.h"
#include "tests/stages/own.h"
#include "tests/stages/stage_ledger.h"
#include "tests/support/failing_calls.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kLongest{20};
constexpr std::uint32_t kSlots = 4;
constexpr std::uint32_t kBatch = 4;

TEST(LongestWait, NoneIsNoDeadline) {
  EXPECT_EQ(deadline_after({}), kNoDeadline);
  const Deadline before = std::chrono::steady_clock::now();
  EXPECT_GE(deadline_after(kLongest), before + kLongest);
}

void expect_no_longer_than_the_longest(WaitPlace& place) {
  for (int i = 0; i < 3; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(place.wait({})) << "the lane goes on";
    EXPECT_GE(std::chrono::steady_clock::now() - begin, kLongest) << "nobody woke it";
  }
}

template <class Wake>
void expect_until_woken(WaitPlace& place, Wake wake) {
  std::atomic<bool> woken = false;
  std::atomic<bool> came_too_early = false;
  std::thread waiter([&] {
    EXPECT_TRUE(place.wait({}));
    came_too_early = !woken;
  });
  std::this_thread::sleep_for(5 * kLongest);
  woken = true;
  wake();
  waiter.join();
  EXPECT_FALSE(came_too_early);
}

class QueueWaitTest : public testing::Test {
 protected:
  QueueWait place(LongestWait longest) {
    return QueueWait({consumer_, kBatch, -1, longest}, lane_, stats_);
  }

  test::Own<SlotPool> pool_{kSlots};
  test::Own<SlotQueue> queue_{kSlots};
  SlotQueue::Consumer consumer_{queue_, 1};
  LaneContext lane_{pool_, 0, 1};
  test::StageLedger ledger_;
  StatsWriter stats_ = ledger_.open();
};

TEST_F(QueueWaitTest, EndsAtTheLatestAfterTheLongest) {
  QueueWait place = this->place(kLongest);
  expect_no_longer_than_the_longest(place);
  EXPECT_EQ(ledger_.total(Counter::sem_waits), 0u) << "nothing was waited for";
  EXPECT_EQ(ledger_.total(Counter::sem_wait_ns), 0u);
}

TEST_F(QueueWaitTest, WithoutALongestItEndsWhenWoken) {
  QueueWait place = this->place({});
  const std::array<std::uint32_t, 1> slot = {3};
  expect_until_woken(place, [&] { SlotQueue::Producer(queue_).put(slot); });
  EXPECT_EQ(ledger_.total(Counter::sem_waits), 1u);
  EXPECT_GT(ledger_.total(Counter::sem_wait_ns), 0u);
  std::array<std::uint32_t, 1> taken{};
  EXPECT_EQ(consumer_.try_take(taken), 1u);
  EXPECT_EQ(taken, slot);
}

TEST_F(QueueWaitTest, TheEndIsTheEndWithALongestToo) {
  QueueWait place = this->place(kLongest);
  queue_->close();
  EXPECT_FALSE(place.wait({}));
}

TEST_F(QueueWaitTest, WhileRepliesWaitForRoomItLooksAfterThem) {
  test::FullSocket full;
  const RunResult last{0, Next::need_room, &full};
  QueueWait place = this->place({});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(place.wait(last));
  queue_->close();
  EXPECT_TRUE(place.wait(last)) << "they are sent first";
  EXPECT_EQ(ledger_.total(Counter::wait_calls), 4u);
}

TEST_F(QueueWaitTest, AWaitForRoomThatIsRefusedIsTroubleUntilOneIsNot) {
  test::FullSocket full;
  const RunResult last{0, Next::need_room, &full};
  QueueWait place = this->place({});
  std::thread([&] {
    test::let_calls_fail({SYS_poll, SYS_ppoll}, ENOMEM);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(place.wait(last));
  }).join();
  EXPECT_EQ(ledger_.total(Counter::wait_errors), 3u);
  ASSERT_TRUE(lane_.troubles.look(Trouble::wait));
  EXPECT_EQ(lane_.troubles.look(Trouble::wait)->number, ENOMEM);
  EXPECT_TRUE(place.wait(last));
  EXPECT_FALSE(lane_.troubles.look(Trouble::wait));
}

class WorkerWaitTest : public testing::Test {
 protected:
  WorkerStep step(LongestWait longest) {
    return WorkerStep({{service_, store_, responses_}, queue_, occupancy_, longest}, lane_,
                      ledger_.open());
  }

  test::Own<SlotPool> pool_{kSlots};
  test::Own<SlotQueue> responses_{kSlots};
  test::Own<WorkerQueue> queue_{kSlots};
  SlotStore store_{kSlots, 64};
  WorkerOccupancy occupancy_{1, 0};
  EchoService service_;
  LaneContext lane_{pool_, 0, 1};
  test::StageLedger ledger_;
};

TEST_F(WorkerWaitTest, EndsAtTheLatestAfterTheLongest) {
  WorkerStep worker = step(kLongest);
  WorkerWait place(worker);
  expect_no_longer_than_the_longest(place);
  EXPECT_EQ(worker.run().moved, 0u) << "a wait that brought nothing is no claim";
  EXPECT_EQ(ledger_.total(Counter::sem_waits), 0u) << "nothing was waited for";
}

TEST_F(WorkerWaitTest, WithoutALongestItEndsWhenWoken) {
  WorkerStep worker = step({});
  WorkerWait place(worker);
  const std::array<std::uint32_t, 1> slot = {3};
  store_.occupy(slot[0]);
  expect_until_woken(place, [&] {
    ASSERT_EQ(queue_->reserve(1), 1u);
    queue_->put(slot);
  });
  EXPECT_EQ(worker.run().moved, 1u);
  EXPECT_EQ(responses_->ready_guess(), 1u);
}

TEST_F(WorkerWaitTest, TheEndIsTheEndWithALongestToo) {
  WorkerStep worker = step(kLongest);
  queue_->close();
  EXPECT_FALSE(worker.wait());
}

}  // namespace
}  // namespace cpss
