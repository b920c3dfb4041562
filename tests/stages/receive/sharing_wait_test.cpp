// Where a lane waits that shares its work with others: also for requests, or away from everything.
#include <array>
#include <chrono>
#include <functional>
#include <thread>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "base/file_descriptor.h"
#include "stages/message/work_sharing.h"
#include "tests/stages/full_socket.h"
#include "tests/stages/receive/receive_wait_fixture.h"
#include "tests/stages/wait_meanwhile.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;

// The lane under test is the first of three, on two CPUs.
class SharingWaitTest : public ReceiveWaitTest {
 protected:
  SharingWaitTest() {
    ReceiveWait::Wiring wiring = place_wiring();
    wiring.all_received = &all_received_;
    wiring.sharing = &sharing_;
    wiring.queues.push_back({&consumer_, kBatch, &sharing_, &sharing_});
    place(wiring);
    EXPECT_TRUE(attendance_.go_away(2)) << "another lane, so that this one attends";
  }
  ~SharingWaitTest() override { place_.reset(); }

  bool wait_while(const std::function<void()>& other) {
    return test::wait_meanwhile([this] { return wait(); }, [] { std::this_thread::sleep_for(5ms); },
                                other);
  }
  void put_request() { SlotQueue::Producer(queue_).put(std::array<std::uint32_t, 1>{0}); }
  std::size_t take_requests() {
    std::array<std::uint32_t, kSlots> slots{};
    return consumer_.try_take(slots);
  }
  // The time that one wait takes.
  std::chrono::nanoseconds time_of_wait() {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(wait());
    return std::chrono::steady_clock::now() - begin;
  }
  // A datagram wakes the lane, which receives it and then finds nothing.
  void wake_by_datagram() {
    send("x");
    ASSERT_TRUE(wait());
    ASSERT_EQ(run(), 1u);
    give_one_slot_back();
    ASSERT_EQ(run(), 0u);
  }

  FileDescriptor requests_event_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  FileDescriptor call_event_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)};
  test::Own<SlotQueue> queue_{kSlots, WakeOptions{{}, requests_event_.get()}};
  SlotQueue::Consumer consumer_{queue_, 1};
  Attendance attendance_{3, call_event_.get()};
  std::array<AwakeLanes::Word, 1> bits_{};
  AwakeLanes awake_{2, bits_};
  HopTime hop_;
  StepCost service_, response_;
  WorkSharing sharing_{{queue_, attendance_, awake_, hop_, service_, response_, 50'000, 2, 3}};
  Semaphore all_received_;
};

TEST_F(SharingWaitTest, ARequestThatIsThereEndsTheWaitAtOnce) {
  put_request();
  EXPECT_TRUE(wait());
  EXPECT_EQ(take_requests(), 1u);
}

// Otherwise later posts would wake a lane that no longer sleeps, and nobody else.
TEST_F(SharingWaitTest, ALaneThatADatagramHasWokenLeavesTheSemaphoreFirst) {
  EXPECT_TRUE(wait_while([this] { send("x"); }));
  EXPECT_EQ(queue_->waiters_guess(), 0u);
  EXPECT_EQ(run(), 1u);
}

TEST_F(SharingWaitTest, ALaneThatWasWokenForARequestGetsIt) {
  EXPECT_TRUE(wait_while([this] { put_request(); }));
  EXPECT_EQ(queue_->waiters_guess(), 0u);
  EXPECT_EQ(take_requests(), 1u);
}

TEST_F(SharingWaitTest, WhoWaitsForASlotTakesRequestsMeanwhile) {
  starve();
  EXPECT_TRUE(wait_while([this] { put_request(); }));
  EXPECT_EQ(take_requests(), 1u);
  EXPECT_EQ(queue_->waiters_guess() + pool_->free_slots().waiters_guess(), 0u);
}

TEST_F(SharingWaitTest, WhoWaitsForRoomTakesRequestsMeanwhile) {
  test::FullSocket full;
  const RunResult lacks_room{0, Next::need_room, &full};
  EXPECT_TRUE(test::wait_meanwhile([&] { return place_->wait(lacks_room); },
                                   [] { std::this_thread::sleep_for(5ms); },
                                   [this] { put_request(); }));
  EXPECT_EQ(take_requests(), 1u);
}

// Room is what it waits for: it neither loops over the queues nor sleeps until there is a datagram.
TEST_F(SharingWaitTest, WithoutRoomItSleepsUntilThereIsSome) {
  test::FullSocket full;
  const RunResult lacks_room{0, Next::need_room, &full};
  const std::uint64_t calls = ledger_.total(Counter::syscalls);
  const auto end = std::chrono::steady_clock::now() + 50ms;
  while (std::chrono::steady_clock::now() < end) ASSERT_TRUE(place_->wait(lacks_room));
  EXPECT_LT(ledger_.total(Counter::syscalls) - calls, 150u);
}

// Those of a step that came later in the round than the one that looks after them: their time must
// not depend on a slot, which may be theirs. (Without the look it hung here.)
TEST_F(SharingWaitTest, WhoWaitsForASlotLooksAfterRepliesThatFoundNoRoomMeanwhile) {
  starve();
  test::FullSocket full;
  lane_.full = &full;
  EXPECT_TRUE(wait());
}

// Of a queue for which it does not wait. The one for whom it was has gone.
TEST_F(SharingWaitTest, AWakeUpThatNobodyWaitsForWakesItOnce) {
  SlotQueue::Consumer other(queue_, 1);
  other.begin_wait();
  put_request();
  other.end_wait();
  attendance_.set_held_up(true);
  EXPECT_TRUE(wait());
  EXPECT_GE(time_of_wait(), 50ms);
}

// Whoever does wait for it gets it.
TEST_F(SharingWaitTest, AWakeUpForAnotherIsPassedOn) {
  SlotQueue::Consumer other(queue_, 1);
  other.begin_wait();
  attendance_.set_held_up(true);
  put_request();
  EXPECT_TRUE(wait());
  pollfd event{requests_event_.get(), POLLIN, 0};
  EXPECT_EQ(poll(&event, 1, 0), 1);
  EXPECT_EQ(other.poll_wait(1).status, TakeStatus::taken);
}

TEST_F(SharingWaitTest, WithAsManyAttendingAsCpusItIsAwayUntilItIsCalled) {
  attendance_.come_back(false);
  put_request();
  send("x");
  EXPECT_TRUE(wait_while([this] { attendance_.call(); })) << "neither of the two wakes it";
  EXPECT_EQ(attendance_.away(), 0u);
  EXPECT_EQ(run(), 1u);
}

TEST_F(SharingWaitTest, TheStopWakesALaneThatIsAway) {
  attendance_.come_back(false);
  EXPECT_TRUE(wait_while([this] { stop(); }));
  EXPECT_EQ(run(), 0u);
  EXPECT_TRUE(wait_while([this] { queue_->close(); })) << "it goes away no more";
  EXPECT_FALSE(wait());
  EXPECT_EQ(all_received_.value_guess(), 1u);
}

TEST_F(SharingWaitTest, WokenInVainWhileAnotherIsAwakeItGoesAwayForALittle) {
  awake_.note_awake(1);
  wake_by_datagram();
  send("x");
  EXPECT_GE(time_of_wait(), 1ms) << "the datagram does not wake it";
  EXPECT_EQ(attendance_.away(), 1u) << "the other one";
  EXPECT_EQ(run(), 1u);
}

TEST_F(SharingWaitTest, ButNotIfItWasWorthIt) {
  awake_.note_awake(1);
  service_.note(1'000'000, 1);
  wake_by_datagram();
  send("x");
  EXPECT_TRUE(wait());
  EXPECT_TRUE(lane_.woken_by_socket) << "the datagram woke it, not the end of a pause";
}

TEST_F(SharingWaitTest, NorIfTheOthersSlept) {
  wake_by_datagram();
  send("x");
  EXPECT_TRUE(wait());
  EXPECT_TRUE(lane_.woken_by_socket);
}

TEST_F(SharingWaitTest, NorIfNobodyElseAttends) {
  awake_.note_awake(1);
  ASSERT_TRUE(attendance_.go_away(1));
  wake_by_datagram();
  send("x");
  EXPECT_TRUE(wait());
  EXPECT_TRUE(lane_.woken_by_socket);
}

// It leaves requests to the lanes that are held up, and looks again whether they still are.
TEST_F(SharingWaitTest, WhileTheOthersAreHeldUpNoWaitIsForEver) {
  put_request();
  attendance_.set_held_up(true);
  EXPECT_GE(time_of_wait(), 50ms) << "the request does not end it";
  attendance_.set_held_up(false);
  EXPECT_TRUE(wait());
  EXPECT_EQ(take_requests(), 1u);
}

TEST_F(SharingWaitTest, ItEndsOnceEachOfItsQueuesIsClosed) {
  stop();
  ASSERT_TRUE(wait());
  ASSERT_EQ(run(), 0u);
  EXPECT_TRUE(wait_while([this] { put_request(); })) << "other lanes may still queue some";
  EXPECT_EQ(take_requests(), 1u);
  put_request();
  queue_->close();
  EXPECT_TRUE(wait());
  EXPECT_EQ(take_requests(), 1u);
  int waits = 0;
  while (wait() && ++waits < 10) {
  }
  EXPECT_LT(waits, 3);
}

}  // namespace
}  // namespace cpss
