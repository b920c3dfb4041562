// The semaphore: on one thread against a plain number, then with sleepers on threads, at an eventfd
// and in another process. Wake-ups under load: tests/stress.
#include "queue/semaphore.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/queue/gate.h"
#include "tests/queue/zeroed_memory.h"
#include "tests/support/asleep.h"
#include "tests/support/forked_process.h"

namespace cpss {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr std::uint32_t kMax = Semaphore::kMaxValue;

Deadline in(steady_clock::duration span) {
  return steady_clock::now() + span;
}

template <class AnySemaphore>
void wait_for_waiters(const AnySemaphore& semaphore, std::uint32_t count) {
  while (semaphore.waiters_guess() < count) std::this_thread::yield();
}

// Counts the system calls that would be made.
struct CountingPlatform : NativePlatform {
  static inline int parks = 0;
  static inline int unparks = 0;
  static bool park(const std::atomic<std::uint64_t>& word, std::uint32_t expected, Scope scope,
                   Deadline deadline) noexcept {
    ++parks;
    return NativePlatform::park(word, expected, scope, deadline);
  }
  static void unpark(const std::atomic<std::uint64_t>& word, int max, Scope scope) noexcept {
    ++unparks;
    NativePlatform::unpark(word, max, scope);
  }
};

TEST(Semaphore, TakesNoMoreThanIsThere) {
  Semaphore semaphore(3);
  EXPECT_EQ(semaphore.try_take(2), 2u);
  EXPECT_EQ(semaphore.try_take(2), 1u);
  EXPECT_EQ(semaphore.try_take(2), 0u);
}

TEST(Semaphore, TakesAnEvenShareRoundedUp) {
  struct Case {
    std::uint32_t value, max, sharers, taken;
  };
  for (const Case& c :
       {Case{10, 64, 3, 4}, Case{9, 64, 3, 3}, Case{1, 64, 8, 1}, Case{0, 64, 8, 0},
        Case{10, 2, 3, 2}, Case{10, 64, 1, 10}, Case{kMax, kMax, 2, kMax / 2 + 1}}) {
    Semaphore semaphore(c.value);
    EXPECT_EQ(semaphore.try_take(c.max, c.sharers), c.taken)
        << c.value << " tokens, at most " << c.max << ", " << c.sharers << " sharers";
    EXPECT_EQ(semaphore.value_guess(), c.value - c.taken);
    Semaphore waited_for(c.value);
    if (c.value > 0) {
      waited_for.begin_wait();
      EXPECT_EQ(waited_for.poll_wait(c.max, c.sharers).tokens, c.taken);
    }
  }
}

TEST(Semaphore, PostSaysHowManyTokensAreFree) {
  Semaphore semaphore(2);
  EXPECT_EQ(semaphore.post(3).value, 5u);
  semaphore.try_take(4);
  EXPECT_EQ(semaphore.post(1).value, 2u);
}

TEST(Semaphore, NoSystemCallWhileNobodyWaits) {
  CountingPlatform::parks = CountingPlatform::unparks = 0;
  BasicSemaphore<CountingPlatform> semaphore;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(semaphore.post(2).wakes, 0u);
    EXPECT_EQ(semaphore.take(2).tokens, 2u);
  }
  EXPECT_EQ(CountingPlatform::parks, 0);
  EXPECT_EQ(CountingPlatform::unparks, 0);
}

TEST(Semaphore, OneWakeUpOnTheWayIsEnoughForAsManyTokens) {
  CountingPlatform::unparks = 0;
  BasicSemaphore<CountingPlatform> semaphore;
  semaphore.begin_wait();
  EXPECT_EQ(semaphore.post(2).wakes, 1u);
  EXPECT_EQ(semaphore.post(1).wakes, 0u);
  EXPECT_EQ(CountingPlatform::unparks, 1);
  EXPECT_EQ(semaphore.poll_wait(3).tokens, 3u);
  // The mark of the wake-up went with the waiter: the next waiter is woken again.
  semaphore.begin_wait();
  EXPECT_EQ(semaphore.post(1).wakes, 1u);
}

// The woken thread may stand still, its CPU taken by others: so post() wakes once more each time
// the tokens double.
TEST(Semaphore, WakesOnceMoreEachTimeTheTokensDouble) {
  CountingPlatform::unparks = 0;
  BasicSemaphore<CountingPlatform> semaphore;
  semaphore.begin_wait();
  std::vector<std::uint32_t> woke_at;
  for (std::uint32_t tokens = 1; tokens <= 1000; ++tokens)
    if (semaphore.post(1).wakes > 0) woke_at.push_back(tokens);
  EXPECT_EQ(woke_at, (std::vector<std::uint32_t>{1, 2, 4, 8, 16, 32, 64, 128, 256, 512}));
  EXPECT_EQ(CountingPlatform::unparks, 10);
  // The tokens double with as many more as there were at the last wake-up, in one post or several.
  semaphore.post(23);
  EXPECT_EQ(semaphore.post(1).wakes, 1u) << "1,024";
  EXPECT_EQ(semaphore.post(1000).wakes, 0u);
  EXPECT_EQ(semaphore.post(24).wakes, 1u) << "2,048";
}

// Tokens that others take and give back are no reason to wake again.
TEST(Semaphore, TokensThatComeAndGoWakeNobodyAgain) {
  Semaphore semaphore;
  semaphore.begin_wait();
  EXPECT_EQ(semaphore.post(3).wakes, 1u);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(semaphore.try_take(3), 3u);
    EXPECT_EQ(semaphore.post(3).wakes, 0u);
  }
  EXPECT_EQ(semaphore.post(1).wakes, 1u);
  // A waiter that looks in vain is woken again.
  EXPECT_EQ(semaphore.try_take(4), 4u);
  EXPECT_EQ(semaphore.poll_wait(1).status, TakeStatus::waiting);
  EXPECT_EQ(semaphore.post(1).wakes, 1u);
  semaphore.end_wait();
}

TEST(Semaphore, WhoPassesTheWakeUpOnDoesSoForWhatIsLeft) {
  Semaphore semaphore;
  for (int i = 0; i < 3; ++i) semaphore.begin_wait();
  EXPECT_EQ(semaphore.post(8).wakes, 1u);
  EXPECT_EQ(semaphore.poll_wait(1).wakes, 1u) << "7 are left";
  EXPECT_EQ(semaphore.post(1).wakes, 1u) << "8: one bit more";
  EXPECT_EQ(semaphore.post(1).wakes, 0u);
  EXPECT_EQ(semaphore.waiters_guess(), 2u) << "their count is not touched by the mark";
}

// The first waiter to wake stands still until the test ends, as if others had its CPU.
struct FirstWokenStands : NativePlatform {
  static inline std::atomic<bool> stands = false;
  static inline std::atomic<bool> released = false;
  static void pause(PausePoint point) noexcept {
    if (point != PausePoint::semaphore_woken || stands.exchange(true)) return;
    released.wait(false);
  }
};

// Found in an independent review: 233 tokens were posted in 250 ms, and the other waiter took none.
TEST(Semaphore, WokenWaiterThatStandsStillDoesNotSilenceTheOthers) {
  constexpr std::uint32_t kTokens = 225;
  BasicSemaphore<FirstWokenStands> semaphore;
  std::atomic<std::uint32_t> taken = 0;
  std::vector<std::thread> waiters;
  for (int i = 0; i < 2; ++i)
    waiters.emplace_back([&] {
      for (;;) {
        const TakeResult result = semaphore.take(kMax);
        taken += result.tokens;
        if (result.status == TakeStatus::closed) return;
      }
    });
  wait_for_waiters(semaphore, 2);
  std::this_thread::sleep_for(milliseconds(20));
  std::uint32_t posted = 0;
  const auto post_one = [&](steady_clock::duration pause) {
    semaphore.post(1);
    ++posted;
    std::this_thread::sleep_for(pause);
  };
  while (!FirstWokenStands::stands) post_one(milliseconds(5));
  while (posted < kTokens) post_one(std::chrono::microseconds(200));
  const auto give_up = in(seconds(20));
  while (taken < posted && steady_clock::now() < give_up) std::this_thread::yield();
  EXPECT_EQ(taken, posted) << "by the one that does not stand still";
  FirstWokenStands::released = true;
  FirstWokenStands::released.notify_all();
  semaphore.close();
  for (std::thread& waiter : waiters) waiter.join();
}

TEST(Semaphore, WokenWaiterThatLeavesTokensWakesTheNext) {
  Semaphore semaphore;
  semaphore.begin_wait();
  semaphore.begin_wait();
  EXPECT_EQ(semaphore.post(2).wakes, 1u);
  const TakeResult first = semaphore.poll_wait(1);
  EXPECT_EQ(first.tokens, 1u);
  EXPECT_EQ(first.wakes, 1u);
  const TakeResult second = semaphore.poll_wait(1);
  EXPECT_EQ(second.tokens, 1u);
  EXPECT_EQ(second.wakes, 0u);
}

TEST(Semaphore, WaiterThatGivesUpPassesItsWakeUpOn) {
  Semaphore semaphore;
  semaphore.begin_wait();
  semaphore.begin_wait();
  EXPECT_EQ(semaphore.post(1).wakes, 1u);
  EXPECT_EQ(semaphore.end_wait(), 1u);
  EXPECT_EQ(semaphore.poll_wait(1).tokens, 1u);
  EXPECT_EQ(semaphore.waiters_guess(), 0u);
}

TEST(Semaphore, WakeUpWhoseTokenIsGoneDoesNotSilenceTheNextPost) {
  Semaphore semaphore;
  semaphore.begin_wait();
  EXPECT_EQ(semaphore.post(1).wakes, 1u);
  EXPECT_EQ(semaphore.try_take(1), 1u);
  EXPECT_EQ(semaphore.poll_wait(1).status, TakeStatus::waiting);
  EXPECT_EQ(semaphore.post(1).wakes, 1u);
  semaphore.end_wait();
}

TEST(Semaphore, TakeSleepsUntilAPost) {
  Semaphore semaphore;
  std::atomic<bool> taken = false;
  std::thread waiter([&] {
    EXPECT_EQ(semaphore.take(5).tokens, 2u);
    taken = true;
  });
  wait_for_waiters(semaphore, 1);
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_FALSE(taken);
  EXPECT_EQ(semaphore.post(2).wakes, 1u);
  waiter.join();
  EXPECT_EQ(semaphore.waiters_guess(), 0u);
}

TEST(Semaphore, OnePostReachesEverySleeperItIsFor) {
  constexpr std::uint32_t kWaiters = 6;
  Semaphore semaphore;
  std::vector<std::thread> waiters;
  for (std::uint32_t i = 0; i < kWaiters; ++i)
    waiters.emplace_back([&] { EXPECT_EQ(semaphore.take(1).tokens, 1u); });
  wait_for_waiters(semaphore, kWaiters);
  std::this_thread::sleep_for(milliseconds(20));
  semaphore.post(kWaiters);
  for (std::thread& waiter : waiters) waiter.join();
  EXPECT_EQ(semaphore.value_guess(), 0u);
}

TEST(Semaphore, TimedTakeThatExpiresTakesNothing) {
  Semaphore semaphore;
  const auto start = steady_clock::now();
  const TakeResult result = semaphore.take(3, 1, in(milliseconds(30)));
  EXPECT_GE(steady_clock::now() - start, milliseconds(30));
  EXPECT_EQ(result.status, TakeStatus::timed_out);
  EXPECT_EQ(result.tokens, 0u);
  EXPECT_EQ(semaphore.waiters_guess(), 0u);
  EXPECT_EQ(semaphore.post(1).value, 1u);
}

// A single token, without a later post: the woken waiter stands still, and a reminder wakes the
// other.
TEST(Semaphore, AReminderWakesTheNextSleeper) {
  BasicSemaphore<GatePlatform> semaphore;
  std::atomic<std::uint32_t> taken = 0;
  std::atomic<pid_t> first_id = 0;
  std::atomic<pid_t> second_id = 0;
  Gate gate(PausePoint::semaphore_woken);
  std::thread first([&] {
    gate.stop_this_thread();
    first_id = gettid();
    taken += semaphore.take(1).tokens;
  });
  wait_for_waiters(semaphore, 1);
  wait_until_asleep(first_id);
  std::thread second([&] {
    second_id = gettid();
    taken += semaphore.take(1).tokens;
  });
  wait_for_waiters(semaphore, 2);
  wait_until_asleep(second_id);
  // A futex wakes in the order of sleeping (futex(2)), so it wakes the waiter that stops at the
  // gate.
  semaphore.post(1);
  gate.wait_until_reached();
  EXPECT_EQ(taken, 0u);
  std::uint32_t reminders = 0;
  const auto give_up = in(seconds(20));
  while (taken == 0 && steady_clock::now() < give_up) {
    reminders += semaphore.remind();
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_EQ(taken, 1u);
  EXPECT_GT(reminders, 0u);
  gate.open();
  semaphore.post(1);
  first.join();
  second.join();
  EXPECT_EQ(taken, 2u);
}

// P14: a token that comes while the waiter is on its way to report a time-out is either taken and
// reported, or stays.
TEST(Semaphore, TokenThatComesAsTheTimeEndsIsTakenAndReported) {
  BasicSemaphore<GatePlatform> semaphore;
  Gate gate(PausePoint::semaphore_woken);
  std::thread waiter([&] {
    gate.stop_this_thread();
    const TakeResult result = semaphore.take(1, 1, in(milliseconds(1)));
    EXPECT_EQ(result.status, TakeStatus::taken);
    EXPECT_EQ(result.tokens, 1u);
  });
  gate.wait_until_reached();
  semaphore.post(1);
  gate.open();
  waiter.join();
  EXPECT_EQ(semaphore.value_guess(), 0u);
}

TEST(Semaphore, PostBetweenRegisteringAndSleepingIsNotMissed) {
  BasicSemaphore<GatePlatform> semaphore;
  Gate gate(PausePoint::semaphore_registered);
  std::thread waiter([&] {
    gate.stop_this_thread();
    EXPECT_EQ(semaphore.take(1, 1, in(seconds(20))).tokens, 1u);
  });
  gate.wait_until_reached();
  semaphore.post(1);
  gate.open();
  waiter.join();
}

// Found in review: the kernel refuses times before boot, and the wait never ended.
TEST(Semaphore, DeadlineBeforeBootHasPassed) {
  Semaphore semaphore;
  EXPECT_EQ(semaphore.take(1, 1, Deadline::min()).status, TakeStatus::timed_out);
  EXPECT_EQ(semaphore.take(1, 1, Deadline{} - milliseconds(1)).status, TakeStatus::timed_out);
  EXPECT_EQ(semaphore.take(1, 1, Deadline{}).status, TakeStatus::timed_out);
}

TEST(Semaphore, ClosedGivesTheRestThenSaysClosed) {
  Semaphore semaphore(3);
  EXPECT_FALSE(semaphore.closed());
  semaphore.close();
  EXPECT_TRUE(semaphore.closed());
  EXPECT_EQ(semaphore.take(2).tokens, 2u);
  EXPECT_EQ(semaphore.take(2).tokens, 1u);
  const TakeResult end = semaphore.take(2);
  EXPECT_EQ(end.status, TakeStatus::closed);
  EXPECT_EQ(end.tokens, 0u);
  EXPECT_EQ(semaphore.post(1).value, 1u) << "posting goes on working";
  EXPECT_EQ(semaphore.take(2).tokens, 1u);
  EXPECT_EQ(semaphore.waiters_guess(), 0u);
}

// P13.
TEST(Semaphore, CloseTellsEverySleeper) {
  constexpr std::uint32_t kWaiters = 6;
  Semaphore semaphore;
  std::vector<std::thread> waiters;
  for (std::uint32_t i = 0; i < kWaiters; ++i)
    waiters.emplace_back([&, i] {
      const Deadline deadline = i % 2 == 0 ? kNoDeadline : in(seconds(60));
      EXPECT_EQ(semaphore.take(1, 1, deadline).status, TakeStatus::closed);
    });
  wait_for_waiters(semaphore, kWaiters);
  std::this_thread::sleep_for(milliseconds(20));
  semaphore.close();
  for (std::thread& waiter : waiters) waiter.join();
}

// F05.
TEST(SemaphoreDeathTest, PostBeyondTheRangeAborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Semaphore semaphore(kMax - 1);
  EXPECT_EQ(semaphore.post(1).value, kMax);
  EXPECT_DEATH(semaphore.post(1), "broken invariant: semaphore value stays within its range");
  EXPECT_DEATH(semaphore.post(~0u), "broken invariant");
  EXPECT_DEATH(Semaphore{kMax + 1}, "broken invariant: semaphore starts within its range");
}

// Against an integer, in 200,000 random steps.
TEST(Semaphore, BehavesLikeANumber) {
  std::mt19937 random(1);
  for (int round = 0; round < 100; ++round) {
    Semaphore semaphore;
    std::uint32_t value = 0;
    for (int step = 0; step < 2000; ++step) {
      const auto n = static_cast<std::uint32_t>(1 + random() % 5);
      const auto sharers = static_cast<std::uint32_t>(1 + random() % 3);
      const std::uint32_t share = std::min(n, (value + sharers - 1) / sharers);
      switch (random() % 4) {
        case 0:
          value += n;
          ASSERT_EQ(semaphore.post(n).value, value);
          break;
        case 1:
          ASSERT_EQ(semaphore.try_take(n, sharers), share);
          value -= share;
          break;
        default:
          const TakeResult result = semaphore.take(n, sharers, Deadline{});
          ASSERT_EQ(result.tokens, share);
          ASSERT_EQ(result.status, share > 0 ? TakeStatus::taken : TakeStatus::timed_out);
          value -= share;
      }
      ASSERT_EQ(semaphore.value_guess(), value);
      ASSERT_EQ(semaphore.waiters_guess(), 0u);
    }
  }
}

class EventSemaphore : public testing::Test {
 protected:
  EventSemaphore() : event_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  ~EventSemaphore() override { close(event_fd_); }

  bool signalled(int timeout_ms = 0) const {
    pollfd event{event_fd_, POLLIN, 0};
    return poll(&event, 1, timeout_ms) == 1;
  }

  const int event_fd_;
  Semaphore semaphore_{0, {.event_fd = event_fd_}};
};

TEST_F(EventSemaphore, IsWrittenOnlyWhileALaneWaits) {
  EXPECT_EQ(semaphore_.post(1).wakes, 0u);
  EXPECT_FALSE(signalled());
  semaphore_.begin_wait();
  EXPECT_EQ(semaphore_.poll_wait(1).tokens, 1u);
  EXPECT_EQ(semaphore_.post(1).wakes, 0u) << "the wait is over";
  EXPECT_FALSE(signalled());
  semaphore_.try_take(1);
  semaphore_.begin_wait();
  EXPECT_EQ(semaphore_.poll_wait(1).status, TakeStatus::waiting);
  EXPECT_EQ(semaphore_.post(1).wakes, 1u);
  EXPECT_TRUE(signalled());
  EXPECT_EQ(semaphore_.poll_wait(1).tokens, 1u);
  EXPECT_FALSE(signalled()) << "looking empties it";
}

TEST_F(EventSemaphore, SignalThatIsTakenByTheOtherWaiterComesAgain) {
  semaphore_.begin_wait();
  semaphore_.begin_wait();
  semaphore_.post(2);
  EXPECT_TRUE(signalled());
  EXPECT_EQ(semaphore_.poll_wait(1).wakes, 1u);
  EXPECT_TRUE(signalled()) << "for the second waiter";
  EXPECT_EQ(semaphore_.poll_wait(1).tokens, 1u);
  EXPECT_FALSE(signalled());
}

TEST_F(EventSemaphore, WaiterThatGivesUpSignalsTheOther) {
  semaphore_.begin_wait();
  semaphore_.begin_wait();
  semaphore_.post(1);
  EXPECT_EQ(semaphore_.end_wait(), 1u);
  EXPECT_TRUE(signalled());
  EXPECT_EQ(semaphore_.poll_wait(1).tokens, 1u);
  EXPECT_EQ(semaphore_.waiters_guess(), 0u);
}

// Then the descriptor is empty, and stays so until the next signal.
TEST_F(EventSemaphore, WaiterThatStandsStillAfterTheSignalDoesNotSilenceTheOther) {
  semaphore_.begin_wait();
  semaphore_.begin_wait();
  EXPECT_EQ(semaphore_.post(1).wakes, 1u);
  NativePlatform::drain(event_fd_);  // by a waiter that gets no further
  EXPECT_FALSE(signalled());
  EXPECT_EQ(semaphore_.post(1).wakes, 1u);
  EXPECT_TRUE(signalled()) << "for the other one";
  EXPECT_EQ(semaphore_.poll_wait(2).tokens, 2u);
  EXPECT_EQ(semaphore_.end_wait(), 0u);
}

TEST_F(EventSemaphore, AReminderSignalsOnceMoreWhileSomethingWaits) {
  EXPECT_EQ(semaphore_.remind(), 0u);
  semaphore_.post(1);
  EXPECT_EQ(semaphore_.remind(), 0u) << "nobody waits";
  semaphore_.try_take(1);
  semaphore_.begin_wait();
  semaphore_.begin_wait();
  EXPECT_EQ(semaphore_.remind(), 0u) << "nothing is there";
  semaphore_.post(1);
  NativePlatform::drain(event_fd_);  // by a waiter that gets no further
  EXPECT_EQ(semaphore_.remind(), 1u);
  EXPECT_TRUE(signalled());
  EXPECT_EQ(semaphore_.poll_wait(1).tokens, 1u);
  EXPECT_EQ(semaphore_.remind(), 0u) << "the mark went with the waiter";
  semaphore_.close();
  EXPECT_EQ(semaphore_.poll_wait(1).status, TakeStatus::closed);
}

TEST_F(EventSemaphore, CloseTellsEveryWaiter) {
  constexpr int kWaiters = 3;
  for (int i = 0; i < kWaiters; ++i) semaphore_.begin_wait();
  semaphore_.close();
  for (int i = 0; i < kWaiters; ++i) {
    EXPECT_TRUE(signalled()) << "waiter " << i;
    EXPECT_EQ(semaphore_.poll_wait(1).status, TakeStatus::closed);
  }
  EXPECT_FALSE(signalled());
  semaphore_.begin_wait();
  EXPECT_EQ(semaphore_.poll_wait(1).status, TakeStatus::closed) << "who comes later is told, too";
}

TEST_F(EventSemaphore, TwoSleepersShareOneDescriptor) {
  constexpr std::uint32_t kTokens = 500;
  std::vector<std::thread> waiters;
  std::atomic<std::uint32_t> taken = 0;
  for (int i = 0; i < 2; ++i)
    waiters.emplace_back([&] {
      for (std::uint32_t had = 0; had < kTokens; ++had) {
        semaphore_.begin_wait();
        while (semaphore_.poll_wait(1).status == TakeStatus::waiting)
          ASSERT_TRUE(signalled(20'000)) << "asleep with " << semaphore_.value_guess() << " tokens";
        ++taken;
      }
    });
  for (std::uint32_t i = 0; i < kTokens; ++i) semaphore_.post(2);
  for (std::thread& waiter : waiters) waiter.join();
  EXPECT_EQ(taken, 2 * kTokens);
  EXPECT_EQ(semaphore_.value_guess(), 0u);
}

TEST(ProcessSharedSemaphore, WakesAcrossProcesses) {
  struct Shared {
    Semaphore ping{0, {.scope = Scope::process_shared}};
    Semaphore pong{0, {.scope = Scope::process_shared}};
  };
  constexpr int kRounds = 1000;
  ZeroedMemory memory(sizeof(Shared), ZeroedMemory::Sharing::process_shared);
  auto* shared = new (memory.get()) Shared;
  ForkedProcess child([&] {
    for (int i = 0; i < kRounds; ++i) {
      if (shared->ping.take(1, 1, in(seconds(20))).tokens != 1) return 1;
      shared->pong.post(1);
    }
    return shared->ping.take(1, 1, in(seconds(20))).status == TakeStatus::closed ? 0 : 2;
  });
  for (int i = 0; i < kRounds; ++i) {
    shared->ping.post(1);
    ASSERT_EQ(shared->pong.take(1, 1, in(seconds(20))).tokens, 1u) << "round " << i;
  }
  shared->ping.close();
  EXPECT_EQ(child.exit_code(), 0);
}

}  // namespace
}  // namespace cpss
