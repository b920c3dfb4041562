// The slot queue: on one thread against a std::deque, then with producers and a consumer stopped at
// the worst places (Q1 to Q4), and across processes. Under load: tests/stress.
#include "queue/slot_queue.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <memory>
#include <numeric>
#include <random>
#include <span>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/queue/gate.h"
#include "tests/queue/zeroed_memory.h"
#include "tests/support/forked_process.h"

namespace cpss {
namespace {

constexpr std::array<std::uint64_t, 4> kStarts = {0, (std::uint64_t{1} << 32) - 3,
                                                  std::uint64_t{0} - 3, std::uint64_t{1} << 40};

template <class Platform>
struct OwnQueue {
  explicit OwnQueue(std::uint64_t slots, std::uint64_t start = 0, WakeOptions wake = {})
      : memory(BasicSlotQueue<Platform>::bytes(slots)),
        queue(*BasicSlotQueue<Platform>::create(memory.get(), slots, wake, start)) {}

  ZeroedMemory memory;
  BasicSlotQueue<Platform>& queue;
};

template <class Queue>
PostResult put(Queue& queue, std::initializer_list<std::uint32_t> slots) {
  return typename Queue::Producer(queue).put(std::span(slots.begin(), slots.size()));
}

template <class Consumer>
std::vector<std::uint32_t> take(Consumer& consumer, std::size_t max = 64) {
  std::vector<std::uint32_t> out(max);
  out.resize(consumer.try_take(out));
  return out;
}

using Slots = std::vector<std::uint32_t>;

TEST(SlotQueue, FirstInFirstOut) {
  OwnQueue<NativePlatform> own(8);
  SlotQueue::Consumer consumer(own.queue, 1);
  EXPECT_EQ(take(consumer), Slots{});
  put(own.queue, {5, 3});
  put(own.queue, {7});
  EXPECT_EQ(take(consumer, 2), (Slots{5, 3}));
  put(own.queue, {5});
  EXPECT_EQ(take(consumer), (Slots{7, 5}));
  EXPECT_EQ(take(consumer), Slots{});
}

TEST(SlotQueue, HoldsEverySlotThereIs) {
  for (const std::uint64_t slots : {1u, 2u, 3u, 5u, 1024u}) {
    OwnQueue<NativePlatform> own(slots);
    Slots all(slots);
    std::iota(all.begin(), all.end(), 0);
    SlotQueue::Consumer consumer(own.queue, 1);
    for (int lap = 0; lap < 5; ++lap) {
      EXPECT_EQ(SlotQueue::Producer(own.queue).put(all).value, slots);
      EXPECT_EQ(take(consumer, slots), all);
    }
  }
}

TEST(SlotQueue, FourMillionSlots) {
  constexpr std::uint32_t kFourMillion = 4'000'000;
  OwnQueue<NativePlatform> own(kFourMillion);
  Slots all(kFourMillion);
  std::iota(all.begin(), all.end(), 0);
  SlotQueue::Consumer consumer(own.queue, 1);
  EXPECT_EQ(SlotQueue::Producer(own.queue).put(all).value, kFourMillion);
  EXPECT_TRUE(take(consumer, kFourMillion) == all);
}

TEST(SlotQueue, PutSaysExactlyHowManyEntriesAreReady) {
  OwnQueue<NativePlatform> own(8);
  SlotQueue::Consumer consumer(own.queue, 1);
  EXPECT_EQ(put(own.queue, {}).value, 0u);
  EXPECT_EQ(put(own.queue, {0, 1, 2}).value, 3u);
  EXPECT_EQ(put(own.queue, {3, 4}).value, 5u);
  take(consumer, 4);
  EXPECT_EQ(put(own.queue, {0}).value, 2u);
  EXPECT_EQ(own.queue.ready_guess(), 2u);
}

TEST(SlotQueue, TakeIsAnEvenShareRoundedUp) {
  OwnQueue<NativePlatform> own(16);
  put(own.queue, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  SlotQueue::Consumer one(own.queue, 3);
  SlotQueue::Consumer other(own.queue, 3);
  EXPECT_EQ(take(one), (Slots{0, 1, 2, 3}));
  EXPECT_EQ(other.wait(64).tokens, 2u);
  EXPECT_EQ(take(one), (Slots{4, 5})) << "six entries less the two set aside";
  EXPECT_EQ(take(other), (Slots{6, 7}));
}

TEST(SlotQueue, WaitSetsEntriesAsideThatTryTakeYields) {
  OwnQueue<NativePlatform> own(8);
  SlotQueue::Consumer one(own.queue, 1);
  SlotQueue::Consumer other(own.queue, 1);
  put(own.queue, {0, 1, 2});
  EXPECT_EQ(one.wait(2).tokens, 2u);
  EXPECT_EQ(one.wait(2).tokens, 2u) << "they are still set aside";
  EXPECT_EQ(take(other), (Slots{0})) << "oldest first, whoever comes first";
  EXPECT_EQ(take(other), Slots{});
  EXPECT_EQ(take(one, 1), (Slots{1}));
  EXPECT_EQ(take(one), (Slots{2}));
}

TEST(SlotQueue, WhatWasSetAsideCanBeGivenBack) {
  OwnQueue<NativePlatform> own(8);
  put(own.queue, {1, 2, 3});
  SlotQueue::Consumer one(own.queue, 1);
  SlotQueue::Consumer other(own.queue, 1);
  ASSERT_EQ(one.wait(8).tokens, 3u);
  EXPECT_EQ(take(one, 1), (Slots{1}));
  EXPECT_EQ(take(other), Slots{});
  EXPECT_EQ(one.give_back(), 0u) << "nobody waits";
  EXPECT_EQ(take(other), (Slots{2, 3}));
  EXPECT_EQ(take(one), Slots{});
}

TEST(SlotQueue, ConsumerThatEndsLeavesItsEntriesToOthers) {
  OwnQueue<NativePlatform> own(4);
  put(own.queue, {2, 1});
  SlotQueue::Consumer(own.queue, 1).wait(2);
  SlotQueue::Consumer other(own.queue, 1);
  EXPECT_EQ(take(other), (Slots{2, 1}));
}

TEST(SlotQueue, ClosedYieldsTheRestThenSaysClosed) {
  OwnQueue<NativePlatform> own(4);
  SlotQueue::Consumer consumer(own.queue, 1);
  put(own.queue, {2, 1});
  own.queue.close();
  EXPECT_EQ(consumer.wait(1).status, TakeStatus::taken);
  EXPECT_EQ(take(consumer), (Slots{2}));
  EXPECT_EQ(consumer.wait(1).status, TakeStatus::taken);
  EXPECT_EQ(take(consumer), (Slots{1}));
  EXPECT_EQ(consumer.wait(1).status, TakeStatus::closed);
  EXPECT_EQ(consumer.wait(1).status, TakeStatus::closed);
}

TEST(SlotQueue, WaitEndsInTime) {
  OwnQueue<NativePlatform> own(4);
  SlotQueue::Consumer consumer(own.queue, 1);
  const auto soon = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
  EXPECT_EQ(consumer.wait(1, soon).status, TakeStatus::timed_out);
  put(own.queue, {3});
  EXPECT_EQ(take(consumer), (Slots{3})) << "the time-out took nothing";
}

TEST(SlotQueueDeathTest, NeedsASlot) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  ZeroedMemory memory(SlotQueue::bytes(1));
  EXPECT_DEATH(SlotQueue::create(memory.get(), 0), "broken invariant: slots are within range");
}

// Random steps against std::deque; three consumers with entries set aside. F03: the counters also
// start just before 32 and 64 bits wrap.
TEST(SlotQueue, BehavesLikeADeque) {
  std::mt19937 random(1);
  for (const std::uint32_t slots : {1u, 2u, 3u, 4u, 5u, 1024u}) {
    for (const std::uint64_t start : kStarts) {
      for (int round = 0; round < 20; ++round) {
        OwnQueue<NativePlatform> own(slots, start);
        std::deque<std::uint32_t> inside;
        Slots free(slots);
        std::iota(free.begin(), free.end(), 0);
        std::vector<std::unique_ptr<SlotQueue::Consumer>> consumers;
        for (int i = 0; i < 3; ++i)
          consumers.push_back(std::make_unique<SlotQueue::Consumer>(own.queue, 2));
        std::array<std::uint32_t, 3> aside{};
        std::uint32_t ready = 0;
        for (int step = 0; step < 1000; ++step) {
          const std::size_t who = random() % 3;
          const std::uint32_t max = 1 + static_cast<std::uint32_t>(random() % 8);
          const std::uint32_t share = std::min(max, (ready + 1) / 2);
          switch (random() % 4) {
            case 0:
            case 1: {
              std::shuffle(free.begin(), free.end(), random);
              const std::size_t count = std::min<std::size_t>(free.size(), random() % 9);
              const Slots batch(free.end() - static_cast<std::ptrdiff_t>(count), free.end());
              free.resize(free.size() - count);
              inside.insert(inside.end(), batch.begin(), batch.end());
              ready += static_cast<std::uint32_t>(count);
              ASSERT_EQ(SlotQueue::Producer(own.queue).put(batch).value, count > 0 ? ready : 0);
              break;
            }
            case 2: {
              const TakeResult result = consumers[who]->wait(max, Deadline{});
              if (aside[who] == 0) {
                aside[who] = share;
                ready -= share;
              }
              ASSERT_EQ(result.tokens, aside[who]);
              break;
            }
            default: {
              if (aside[who] == 0) {
                aside[who] = share;
                ready -= share;
              }
              const std::uint32_t count = std::min(max, aside[who]);
              aside[who] -= count;
              const Slots expected(inside.begin(), inside.begin() + count);
              inside.erase(inside.begin(), inside.begin() + count);
              ASSERT_EQ(take(*consumers[who], max), expected)
                  << slots << " slots, start " << start << ", step " << step;
              free.insert(free.end(), expected.begin(), expected.end());
            }
          }
          ASSERT_EQ(own.queue.ready_guess(), ready);
        }
      }
    }
  }
}

TEST(SlotQueue, KeepsTheOrderOfEachProducer) {
  constexpr std::uint32_t kEach = 512;
  OwnQueue<NativePlatform> own(2 * kEach, kStarts[2]);
  std::vector<std::thread> producers;
  for (std::uint32_t p = 0; p < 2; ++p)
    producers.emplace_back([&, p] {
      for (std::uint32_t i = 0; i < kEach; ++i) put(own.queue, {p * kEach + i});
    });
  SlotQueue::Consumer consumer(own.queue, 1);
  std::array<std::uint32_t, 2> next = {0, kEach};
  for (std::uint32_t got = 0; got < 2 * kEach;) {
    consumer.wait(8);
    for (const std::uint32_t slot : take(consumer)) {
      ASSERT_EQ(slot, next[slot / kEach]++);
      ++got;
    }
  }
  for (std::thread& producer : producers) producer.join();
}

// F01: a producer stands still between claim and publish.
class F01PausedProducer : public testing::TestWithParam<std::uint64_t> {
 protected:
  using Queue = BasicSlotQueue<GatePlatform>;

  // Starts a thread that puts slots 0 and 1 and stops at `point`.
  void pause_at(PausePoint point) {
    gate_ = std::make_unique<Gate>(point);
    paused_ = std::thread([this] {
      gate_->stop_this_thread();
      result_ = put(own_.queue, {0, 1});
    });
    gate_->wait_until_reached();
  }
  void go_on() {
    gate_->open();
    paused_.join();
  }

  OwnQueue<GatePlatform> own_{8, GetParam()};
  Queue::Consumer consumer_{own_.queue, 1};
  std::unique_ptr<Gate> gate_;
  std::thread paused_;
  PostResult result_;
};

TEST_P(F01PausedProducer, WithNothingWrittenOthersPutAndNothingIsLost) {
  pause_at(PausePoint::queue_claimed);
  EXPECT_EQ(put(own_.queue, {2, 3, 4}).value, 0u) << "who closes the gap will post";
  EXPECT_EQ(put(own_.queue, {5}).value, 0u);
  EXPECT_EQ(take(consumer_), Slots{}) << "nothing may be taken past a gap";
  go_on();
  EXPECT_EQ(result_.value, 6u) << "the gap is closed, everything behind it published";
  EXPECT_EQ(take(consumer_), (Slots{0, 1, 2, 3, 4, 5}));
}

TEST_P(F01PausedProducer, WithItsCellsWrittenIsPublishedByTheNext) {
  pause_at(PausePoint::queue_written);
  EXPECT_EQ(take(consumer_), Slots{});
  EXPECT_EQ(put(own_.queue, {2}).value, 3u);
  EXPECT_EQ(take(consumer_), (Slots{0, 1, 2}));
  go_on();
  EXPECT_EQ(result_.value, 0u) << "its entries have been posted by another";
  EXPECT_EQ(take(consumer_), Slots{});
}

TEST_P(F01PausedProducer, WithItsTokensUnpostedDelaysOnlyTokens) {
  pause_at(PausePoint::queue_published);
  EXPECT_EQ(put(own_.queue, {2}).value, 1u);
  EXPECT_EQ(take(consumer_), (Slots{0})) << "a token stands for a published cell, not for which";
  go_on();
  EXPECT_EQ(result_.value, 2u);
  EXPECT_EQ(take(consumer_), (Slots{1, 2}));
}

INSTANTIATE_TEST_SUITE_P(Starts, F01PausedProducer, testing::ValuesIn(kStarts));

// F02: a consumer stands still between reading cells and moving the head, while the ring goes
// round.
TEST(SlotQueue, F02PausedConsumerNeverSeesASlotThatIsNotItsOwn) {
  for (const std::uint64_t start : kStarts) {
    OwnQueue<GatePlatform> own(4, start);
    using Consumer = BasicSlotQueue<GatePlatform>::Consumer;
    put(own.queue, {0, 1, 2});
    Gate gate(PausePoint::queue_cells_read);
    Slots got_by_paused;
    std::thread paused([&] {
      Consumer consumer(own.queue, 1);
      gate.stop_this_thread();
      consumer.wait(2);
      got_by_paused = take(consumer);
    });
    gate.wait_until_reached();
    // The paused consumer has read slots 0 and 1, and holds two tokens; with the third token the
    // others go round the ring, over the very cells it has read.
    Consumer others(own.queue, 1);
    std::deque<std::uint32_t> inside = {0, 1, 2};
    for (int i = 0; i < 23; ++i) {
      const Slots taken = take(others, 1);
      ASSERT_EQ(taken, (Slots{inside.front()})) << "start " << start << ", step " << i;
      inside.pop_front();
      inside.push_back(taken[0]);
      ASSERT_EQ(put(own.queue, {taken[0]}).value, 1u);
    }
    gate.open();
    paused.join();
    EXPECT_EQ(got_by_paused, (Slots{inside[0], inside[1]})) << "start " << start;
    EXPECT_EQ(take(others), (Slots{inside[2]}));
  }
}

// Two mappings of the same memory: an address stored inside would be wrong in one of them.
TEST(SlotQueue, HoldsNoPointers) {
  const int file = memfd_create("slot_queue", MFD_CLOEXEC);
  ASSERT_GE(file, 0);
  const std::size_t bytes = SlotQueue::bytes(16);
  ASSERT_EQ(ftruncate(file, static_cast<off_t>(bytes)), 0);
  void* here = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  void* there = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ASSERT_NE(here, MAP_FAILED);
  ASSERT_NE(there, MAP_FAILED);
  SlotQueue* queue = SlotQueue::create(here, 16, {.scope = Scope::process_shared});
  put(*queue, {9, 4});
  ASSERT_EQ(mprotect(here, bytes, PROT_NONE), 0);
  SlotQueue::Consumer consumer(*reinterpret_cast<SlotQueue*>(there), 1);
  EXPECT_EQ(consumer.wait(2).tokens, 2u);
  EXPECT_EQ(take(consumer), (Slots{9, 4}));
  munmap(here, bytes);
  munmap(there, bytes);
  close(file);
}

TEST(SlotQueue, JoinsTwoProcesses) {
  constexpr std::uint32_t kManySlots = 1024;
  ZeroedMemory memory(SlotQueue::bytes(kManySlots), ZeroedMemory::Sharing::process_shared);
  SlotQueue* queue = SlotQueue::create(memory.get(), kManySlots, {.scope = Scope::process_shared});
  ForkedProcess child([&] {
    for (std::uint32_t slot = 0; slot < kManySlots; ++slot) put(*queue, {slot});
    queue->close();
    return 0;
  });
  SlotQueue::Consumer consumer(*queue, 1);
  Slots got;
  const Deadline deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (consumer.wait(8, deadline).status == TakeStatus::taken)
    for (const std::uint32_t slot : take(consumer)) got.push_back(slot);
  Slots all(kManySlots);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(got, all);
  EXPECT_EQ(child.exit_code(), 0);
}

}  // namespace
}  // namespace cpss
