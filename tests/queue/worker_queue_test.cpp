// The worker queue: on one thread against its rules, then with producers that wait for room and
// takers that wait for entries, on threads, at two addresses and in another process.
#include "queue/worker_queue.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/queue/zeroed_memory.h"
#include "tests/support/forked_process.h"
#include "tests/support/sanitizers.h"

namespace cpss {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::ElementsAre;
using testing::IsEmpty;

Deadline in(steady_clock::duration span) {
  return steady_clock::now() + span;
}
// An event that takes longer than this never comes.
Deadline patience() {
  return in(seconds(60));
}

struct Made {
  explicit Made(std::uint32_t limit, Scope scope = {})
      : memory(WorkerQueue::bytes(), scope == Scope::process_shared
                                         ? ZeroedMemory::Sharing::process_shared
                                         : ZeroedMemory::Sharing::process_private),
        queue(*WorkerQueue::create(memory.get(), limit, scope)) {}
  ZeroedMemory memory;
  WorkerQueue& queue;
};

// Puts as many as there is room for; returns how many.
std::uint32_t put_all(WorkerQueue& queue, std::vector<std::uint32_t> slots) {
  const std::uint32_t places = queue.reserve(static_cast<std::uint32_t>(slots.size()));
  slots.resize(places);
  if (places > 0) queue.put(slots);
  return places;
}

std::vector<std::uint32_t> take_all(WorkerQueue& queue) {
  std::vector<std::uint32_t> slots;
  while (queue.try_claim()) slots.push_back(queue.pop().slot);
  return slots;
}

TEST(WorkerQueue, GivesWhatWasPutInThatOrder) {
  Made made(8);
  EXPECT_FALSE(made.queue.try_claim());
  EXPECT_EQ(put_all(made.queue, {5, 3, 9}), 3u);
  EXPECT_EQ(put_all(made.queue, {1}), 1u);
  EXPECT_EQ(made.queue.ready_guess(), 4u);
  EXPECT_THAT(take_all(made.queue), ElementsAre(5, 3, 9, 1));
  EXPECT_EQ(made.queue.ready_guess(), 0u);
}

TEST(WorkerQueue, SaysHowManyWereReady) {
  Made made(8);
  ASSERT_EQ(made.queue.reserve(5), 5u);
  EXPECT_EQ(made.queue.put(std::vector<std::uint32_t>{1, 2}).value, 2u);
  EXPECT_EQ(made.queue.put(std::vector<std::uint32_t>{3}).value, 3u);
  ASSERT_TRUE(made.queue.try_claim());
  EXPECT_EQ(made.queue.put(std::vector<std::uint32_t>{4, 5}).value, 4u) << "a claim is no entry";
  EXPECT_EQ(made.queue.pop().slot, 1u);
}

TEST(WorkerQueue, TheBoundIsExact) {
  for (const std::uint32_t limit : {1u, 2u, 3u, 64u, WorkerQueue::kMaxEntries}) {
    SCOPED_TRACE(limit);
    Made made(limit);
    std::vector<std::uint32_t> slots(limit);
    std::iota(slots.begin(), slots.end(), 0u);
    for (int round = 0; round < 3; ++round) {
      EXPECT_EQ(made.queue.reserve(limit + 1), limit);
      EXPECT_EQ(made.queue.reserve(1), 0u);
      made.queue.put(slots);
      EXPECT_EQ(made.queue.reserve(1), 0u);
      EXPECT_EQ(made.queue.wait_for_room(1, Deadline{}).status, TakeStatus::timed_out);
      ASSERT_TRUE(made.queue.try_claim());
      EXPECT_EQ(made.queue.reserve(1), 0u) << "a claim makes no room";
      EXPECT_EQ(made.queue.pop().slot, 0u);
      EXPECT_EQ(made.queue.reserve(2), 1u) << "one pop, one place";
      made.queue.put(std::vector<std::uint32_t>{limit});
      std::vector<std::uint32_t> expected(slots.begin() + 1, slots.end());
      expected.push_back(limit);
      EXPECT_EQ(take_all(made.queue), expected);
    }
  }
}

TEST(WorkerQueueDeathTest, ALimitOutOfRangeIsADefect) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(Made(0), "limit is within range");
  EXPECT_DEATH(Made(WorkerQueue::kMaxEntries + 1), "limit is within range");
}

TEST(WorkerQueueDeathTest, APopWithoutAClaimIsADefect) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(Made(1).queue.pop(), "finds an entry");
}

TEST(WorkerQueue, AClaimGivenBackIsTheNextOnes) {
  Made made(4);
  put_all(made.queue, {7});
  ASSERT_TRUE(made.queue.try_claim());
  EXPECT_FALSE(made.queue.try_claim());
  made.queue.unclaim();
  EXPECT_EQ(made.queue.wait().tokens, 1u);
  EXPECT_EQ(made.queue.pop().slot, 7u);
}

TEST(WorkerQueue, AClaimGivenBackWakesAWaiter) {
  Made made(4);
  put_all(made.queue, {7});
  ASSERT_TRUE(made.queue.try_claim());
  std::thread taker([&] {
    EXPECT_EQ(made.queue.wait(patience()).status, TakeStatus::taken);
    EXPECT_EQ(made.queue.pop().slot, 7u);
  });
  std::this_thread::sleep_for(milliseconds(5));
  made.queue.unclaim();
  taker.join();
}

TEST(WorkerQueue, TimedWaitsEndInTime) {
  Made made(1);
  const auto begin = steady_clock::now();
  EXPECT_EQ(made.queue.wait(in(milliseconds(20))).status, TakeStatus::timed_out);
  EXPECT_GE(steady_clock::now() - begin, milliseconds(20));
  put_all(made.queue, {1});
  EXPECT_EQ(made.queue.wait_for_room(1, in(milliseconds(20))).status, TakeStatus::timed_out);
  EXPECT_EQ(made.queue.wait(Deadline{}).status, TakeStatus::taken) << "what is there needs no time";
  made.queue.pop();
  EXPECT_EQ(made.queue.wait_for_room(5, Deadline{}).tokens, 1u);
}

TEST(WorkerQueue, AProducerWaitsForRoomUntilAPop) {
  Made made(2);
  ASSERT_EQ(put_all(made.queue, {1, 2}), 2u);
  std::atomic<bool> has_room = false;
  std::thread producer([&] {
    EXPECT_EQ(made.queue.wait_for_room(5, patience()).tokens, 1u);
    has_room = true;
    made.queue.put(std::vector<std::uint32_t>{3});
  });
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_FALSE(has_room);
  ASSERT_TRUE(made.queue.try_claim());
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_FALSE(has_room) << "a claim is no pop";
  EXPECT_EQ(made.queue.pop().slot, 1u);
  producer.join();
  EXPECT_THAT(take_all(made.queue), ElementsAre(2, 3));
}

TEST(WorkerQueue, CloseGivesWhatIsLeftThenTellsEveryTaker) {
  Made made(4);
  put_all(made.queue, {1, 2});
  made.queue.close();
  for (const std::uint32_t slot : {1u, 2u}) {
    EXPECT_EQ(made.queue.wait().status, TakeStatus::taken);
    EXPECT_EQ(made.queue.pop().slot, slot);
  }
  EXPECT_EQ(made.queue.wait().status, TakeStatus::closed);
  EXPECT_EQ(made.queue.wait().status, TakeStatus::closed) << "now and later";
}

TEST(WorkerQueue, CloseWakesAllTakers) {
  Made made(4);
  std::atomic<int> told = 0;
  std::vector<std::thread> takers;
  for (int i = 0; i < 4; ++i)
    takers.emplace_back([&] {
      if (made.queue.wait(patience()).status == TakeStatus::closed) ++told;
    });
  std::this_thread::sleep_for(milliseconds(10));
  made.queue.close();
  for (std::thread& taker : takers) taker.join();
  EXPECT_EQ(told, 4);
}

// Many producers and takers with pauses. An entry is {producer, sequence}.
class Storm {
 public:
  static constexpr std::uint32_t kProducers = 4;
  static constexpr std::uint32_t kTakers = 4;

  Storm(std::uint32_t limit, std::uint32_t each)
      : made_(limit), limit_(limit), each_(each), seen_(kProducers * each) {}

  void run() {
    std::vector<std::thread> producers, takers;
    for (std::uint32_t i = 0; i < kTakers; ++i) takers.emplace_back([this, i] { take(100 + i); });
    for (std::uint32_t i = 0; i < kProducers; ++i)
      producers.emplace_back([this, i] { produce(i); });
    for (std::thread& producer : producers) producer.join();
    made_.queue.close();
    for (std::thread& taker : takers) taker.join();
    for (const auto& count : seen_) ASSERT_EQ(count, 1u) << "lost, or taken twice";
    EXPECT_LE(max_inside_, limit_);
    EXPECT_EQ(made_.queue.ready_guess(), 0u);
    EXPECT_EQ(made_.queue.reserve(limit_ + 1), limit_) << "each place has come back, once";
  }

 private:
  using Random = std::minstd_rand;

  static void pause(Random& random) {
    switch (random() % 16) {
      case 0:
        return std::this_thread::yield();
      case 1:
        return std::this_thread::sleep_for(std::chrono::microseconds(random() % 40));
      default:
        return;
    }
  }

  void produce(std::uint32_t producer) {
    Random random(producer + 1);
    for (std::uint32_t sent = 0; sent < each_;) {
      const auto max = std::min(each_ - sent, static_cast<std::uint32_t>(1 + random() % 5));
      std::uint32_t places = made_.queue.reserve(max);
      if (places == 0) places = made_.queue.wait_for_room(max, patience()).tokens;
      if (places == 0) return ADD_FAILURE() << "no room for ever";
      pause(random);
      std::vector<std::uint32_t> slots(places);
      std::iota(slots.begin(), slots.end(), producer * each_ + sent);
      note_inside(places);
      made_.queue.put(slots);
      sent += places;
    }
  }

  void take(std::uint32_t seed) {
    Random random(seed);
    std::vector<std::uint32_t> next(kProducers, 0);
    for (;;) {
      if (!made_.queue.try_claim()) {
        const TakeStatus status = made_.queue.wait(patience()).status;
        if (status == TakeStatus::closed) return;
        if (status != TakeStatus::taken) return ADD_FAILURE() << "no entry for ever";
      }
      pause(random);
      if (random() % 32 == 0) {
        made_.queue.unclaim();
        continue;
      }
      inside_.fetch_sub(1, std::memory_order_relaxed);
      const std::uint32_t slot = made_.queue.pop().slot;
      if (slot >= seen_.size()) return ADD_FAILURE() << "nobody put " << slot;
      seen_[slot].fetch_add(1, std::memory_order_relaxed);
      const std::uint32_t sequence = slot % each_;
      EXPECT_GE(sequence, next[slot / each_]) << "out of its producer's order";
      next[slot / each_] = sequence + 1;
    }
  }

  // An entry counts from before its put_all() until before its pop(), while it has a place: so the
  // count never exceeds the places taken.
  void note_inside(std::uint32_t entries) {
    const std::uint32_t now = inside_.fetch_add(entries, std::memory_order_relaxed) + entries;
    std::uint32_t max = max_inside_.load(std::memory_order_relaxed);
    while (now > max && !max_inside_.compare_exchange_weak(max, now, std::memory_order_relaxed)) {
    }
  }

  Made made_;
  const std::uint32_t limit_;
  const std::uint32_t each_;
  std::vector<std::atomic<std::uint32_t>> seen_;
  // Relaxed: they must not order what the queue does not order.
  std::atomic<std::uint32_t> inside_ = 0;
  std::atomic<std::uint32_t> max_inside_ = 0;
};

TEST(WorkerQueueStorm, NothingIsLostOrDoubledWhateverTheBound) {
  for (const std::uint32_t limit : {1u, 2u, 3u, 64u}) {
    SCOPED_TRACE(limit);
    Storm(limit, kThreadSanitizer ? 1'000 : 10'000).run();
  }
}

// The payload is plain memory, as a slot's header is: the taker with a claim sees it whole, and
// room that has come back means that its last reader is done.
TEST(WorkerQueueStorm, WhatAnEntryStandsForIsSeenWhole) {
  constexpr std::uint32_t kEntries = 3000;
  Made made(64);
  std::vector<std::uint64_t> payload(kEntries, 0);
  std::thread producer([&] {
    for (std::uint32_t i = 0; i < kEntries; ++i) {
      ASSERT_EQ(made.queue.wait_for_room(1, patience()).tokens, 1u);
      payload[i] = std::uint64_t{i} * 3 + 1;
      made.queue.put({&i, 1});
    }
    made.queue.close();
  });
  std::vector<std::thread> takers;
  for (int taker = 0; taker < 2; ++taker)
    takers.emplace_back([&] {
      while (made.queue.wait(patience()).status == TakeStatus::taken) {
        const std::uint32_t slot = made.queue.pop().slot;
        EXPECT_EQ(payload[slot], std::uint64_t{slot} * 3 + 1);
        payload[slot] = 0;
      }
    });
  producer.join();
  for (std::thread& taker : takers) taker.join();
  EXPECT_EQ(std::count(payload.begin(), payload.end(), 0u), kEntries);
}

TEST(ProcessSharedWorkerQueue, AProducerInAnotherProcess) {
  constexpr std::uint32_t kEntries = 5000;
  Made made(3, Scope::process_shared);
  ForkedProcess producer([&] {
    for (std::uint32_t i = 0; i < kEntries; ++i) {
      if (made.queue.wait_for_room(1, patience()).tokens != 1) return 1;
      made.queue.put({&i, 1});
    }
    made.queue.close();
    return 0;
  });
  for (std::uint32_t i = 0; i < kEntries; ++i) {
    ASSERT_EQ(made.queue.wait(patience()).status, TakeStatus::taken) << i;
    ASSERT_EQ(made.queue.pop().slot, i);
  }
  EXPECT_EQ(made.queue.wait(patience()).status, TakeStatus::closed);
  EXPECT_EQ(producer.exit_code(), 0);
}

// The same memory at two addresses: it cannot hold a pointer to itself.
class Mappings {
 public:
  Mappings() : fd_(memfd_create("worker-queue", MFD_CLOEXEC)) {
    EXPECT_EQ(ftruncate(fd_, static_cast<off_t>(WorkerQueue::bytes())), 0);
    for (void*& address : addresses_)
      address = mmap(nullptr, WorkerQueue::bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  }
  ~Mappings() {
    for (void* address : addresses_) munmap(address, WorkerQueue::bytes());
    close(fd_);
  }
  Mappings(const Mappings&) = delete;
  Mappings& operator=(const Mappings&) = delete;
  void* at(int number) const { return addresses_[number]; }

 private:
  const int fd_;
  void* addresses_[2] = {};
};

TEST(ProcessSharedWorkerQueue, WorksAtTwoAddressesAtOnce) {
  constexpr std::uint32_t kEntries = 3000;
  Mappings mappings;
  ASSERT_NE(mappings.at(0), MAP_FAILED);
  ASSERT_NE(mappings.at(1), MAP_FAILED);
  WorkerQueue& here = *WorkerQueue::create(mappings.at(0), 3, Scope::process_shared);
  auto& there = *static_cast<WorkerQueue*>(mappings.at(1));
  std::thread producer([&] {
    for (std::uint32_t i = 0; i < kEntries; ++i) {
      ASSERT_EQ(there.wait_for_room(1, patience()).tokens, 1u) << i;
      there.put({&i, 1});
    }
  });
  for (std::uint32_t i = 0; i < kEntries; ++i) {
    WorkerQueue& queue = i % 3 == 0 ? there : here;
    ASSERT_EQ(queue.wait(patience()).status, TakeStatus::taken) << i;
    ASSERT_EQ(queue.pop().slot, i);
  }
  producer.join();
  EXPECT_THAT(take_all(here), IsEmpty());
  EXPECT_EQ(there.reserve(4), 3u);
}

}  // namespace
}  // namespace cpss
