#include "queue/slot_queue.h"

#include <deque>
#include <numeric>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/queue/gate_platform.h"
#include "tests/queue/zeroed_memory.h"

namespace cpss {
namespace {

template <class Platform = NativePlatform>
struct Queue {
  using Type = BasicSlotQueue<Platform>;
  explicit Queue(std::uint64_t slots, std::uint64_t start = 0)
      : memory(Type::bytes(slots)), queue(*Type::create(memory.get(), slots, {}, start)) {}

  ZeroedMemory memory;
  Type& queue;
};

std::vector<std::uint32_t> take(auto& consumer, std::size_t most) {
  std::vector<std::uint32_t> out(most);
  out.resize(consumer.try_take(out));
  return out;
}

TEST(SlotQueue, FirstInFirstOut) {
  Queue<> q(8);
  SlotQueue::Producer producer(q.queue);
  SlotQueue::Consumer consumer(q.queue, 1);
  const std::vector<std::uint32_t> slots = {5, 1, 7};
  EXPECT_EQ(producer.put(slots).value, 3u);
  EXPECT_EQ(take(consumer, 8), slots);
  EXPECT_TRUE(take(consumer, 8).empty());
}

TEST(SlotQueue, PutOfNothingIsNothing) {
  Queue<> q(1);
  EXPECT_EQ(SlotQueue::Producer(q.queue).put({}).value, 0u);
}

// The value returned is the queue's exact depth: what the high-water mark is made of.
TEST(SlotQueue, PutReturnsWhatIsReady) {
  Queue<> q(8);
  SlotQueue::Producer producer(q.queue);
  SlotQueue::Consumer consumer(q.queue, 1);
  EXPECT_EQ(producer.put(std::vector<std::uint32_t>{0, 1}).value, 2u);
  EXPECT_EQ(producer.put(std::vector<std::uint32_t>{2, 3, 4}).value, 5u);
  take(consumer, 4);
  EXPECT_EQ(producer.put(std::vector<std::uint32_t>{5}).value, 2u);
}

TEST(SlotQueue, TakeIsAnEvenShareRoundedUp) {
  Queue<> q(16);
  std::vector<std::uint32_t> slots(10);
  std::iota(slots.begin(), slots.end(), 0u);
  SlotQueue::Producer(q.queue).put(slots);
  SlotQueue::Consumer one_of_three(q.queue, 3);
  EXPECT_EQ(take(one_of_three, 16).size(), 4u);
  EXPECT_EQ(take(one_of_three, 16).size(), 2u);
}

TEST(SlotQueue, TokensOfAWaitGoBackWithTheConsumer) {
  Queue<> q(4);
  SlotQueue::Producer(q.queue).put(std::vector<std::uint32_t>{0, 1, 2});
  {
    SlotQueue::Consumer consumer(q.queue, 1);
    EXPECT_EQ(consumer.wait(3).tokens, 3u);
    EXPECT_EQ(take(consumer, 1).size(), 1u);
  }
  SlotQueue::Consumer other(q.queue, 1);
  EXPECT_EQ(take(other, 4), (std::vector<std::uint32_t>{1, 2}));
}

TEST(SlotQueue, ClosedYieldsWhatItHoldsAndThenSaysSo) {
  Queue<> q(4);
  SlotQueue::Consumer consumer(q.queue, 1);
  SlotQueue::Producer(q.queue).put(std::vector<std::uint32_t>{3, 2});
  q.queue.close();
  EXPECT_EQ(consumer.wait(4).status, TakeStatus::taken);
  EXPECT_EQ(take(consumer, 4), (std::vector<std::uint32_t>{3, 2}));
  EXPECT_EQ(consumer.wait(4).status, TakeStatus::closed);
}

struct Shape {
  std::uint64_t slots;
  std::uint64_t start;
};

class SlotQueueModel : public testing::TestWithParam<Shape> {};

// Random puts and takes against a deque, over many laps, also across the wrap of the counters
// (F03).
TEST_P(SlotQueueModel, BehavesLikeADeque) {
  const auto [slots, start] = GetParam();
  Queue<> q(slots, start);
  SlotQueue::Producer producer(q.queue);
  SlotQueue::Consumer consumer(q.queue, 1);
  std::deque<std::uint32_t> outside(slots);
  std::iota(outside.begin(), outside.end(), 0u);
  std::deque<std::uint32_t> model;
  std::mt19937 random(7);
  for (int step = 0; step < 100'000; ++step) {
    if (random() % 2 == 0) {
      const std::size_t count = std::min<std::size_t>(random() % 7, outside.size());
      const std::vector<std::uint32_t> batch(outside.begin(),
                                             outside.begin() + static_cast<long>(count));
      outside.erase(outside.begin(), outside.begin() + static_cast<long>(count));
      const PostResult result = producer.put(batch);
      model.insert(model.end(), batch.begin(), batch.end());
      if (count > 0) {
        ASSERT_EQ(result.value, model.size());
      }
    } else {
      const std::vector<std::uint32_t> got = take(consumer, 1 + random() % 7);
      ASSERT_LE(got.size(), model.size());
      ASSERT_EQ(got.empty(), model.empty());
      for (const std::uint32_t slot : got) {
        ASSERT_EQ(slot, model.front());
        model.pop_front();
        outside.push_back(slot);
      }
    }
  }
}

constexpr std::uint64_t kBefore32 = (std::uint64_t{1} << 32) - 3;
constexpr std::uint64_t kBefore64 = ~std::uint64_t{0} - 2;
INSTANTIATE_TEST_SUITE_P(Shapes, SlotQueueModel,
                         testing::Values(Shape{1, 0}, Shape{2, 0}, Shape{3, 0}, Shape{4, 0},
                                         Shape{5, 0}, Shape{1024, 0}, Shape{1, kBefore32},
                                         Shape{3, kBefore32}, Shape{1024, kBefore32},
                                         Shape{1, kBefore64}, Shape{3, kBefore64},
                                         Shape{1024, kBefore64}));

// F01: a producer that stops between claim and write holds up what is behind its gap, loses nothing
// and lets nobody read what is not written.
TEST(SlotQueue, F01ProducerPausedBeforeItsCell) {
  Queue<GatePlatform> q(8);
  using Gated = BasicSlotQueue<GatePlatform>;
  PauseGate gate(PausePoint::queue_claimed);
  std::thread paused([&] {
    this_threads_gate = &gate;
    Gated::Producer(q.queue).put(std::vector<std::uint32_t>{0, 1});
  });
  gate.wait_until_reached();
  // Another one goes on behind the gap; its slots are not ready yet.
  Gated::Producer other(q.queue);
  EXPECT_EQ(other.put(std::vector<std::uint32_t>{2, 3, 4}).value, 0u);
  Gated::Consumer consumer(q.queue, 1);
  EXPECT_TRUE(take(consumer, 8).empty());
  gate.open();
  paused.join();
  // Whoever closed the gap has published all of it.
  EXPECT_EQ(take(consumer, 8), (std::vector<std::uint32_t>{0, 1, 2, 3, 4}));
}

// The same between its cell and its look at the mark: the other one publishes for it, or it does.
TEST(SlotQueue, F01ProducerPausedBeforeItsLook) {
  Queue<GatePlatform> q(8);
  using Gated = BasicSlotQueue<GatePlatform>;
  PauseGate gate(PausePoint::queue_written);
  std::thread paused([&] {
    this_threads_gate = &gate;
    Gated::Producer(q.queue).put(std::vector<std::uint32_t>{0, 1});
  });
  gate.wait_until_reached();
  EXPECT_EQ(Gated::Producer(q.queue).put(std::vector<std::uint32_t>{2}).value, 3u);
  Gated::Consumer consumer(q.queue, 1);
  EXPECT_EQ(take(consumer, 8), (std::vector<std::uint32_t>{0, 1, 2}));
  gate.open();
  paused.join();
  EXPECT_TRUE(take(consumer, 8).empty());
}

// F02: a consumer that stops between reading its cells and moving the head, while others take and
// the ring goes round several times: it must not get what it read.
TEST(SlotQueue, F02ConsumerPausedWhileTheRingWraps) {
  Queue<GatePlatform> q(2);
  using Gated = BasicSlotQueue<GatePlatform>;
  Gated::Producer producer(q.queue);
  producer.put(std::vector<std::uint32_t>{0, 1});
  PauseGate gate(PausePoint::queue_cells_read);
  std::vector<std::uint32_t> late;
  std::thread paused([&] {
    this_threads_gate = &gate;
    Gated::Consumer consumer(q.queue, 1);
    late = take(consumer, 1);
  });
  gate.wait_until_reached();
  Gated::Consumer consumer(q.queue, 1);
  std::uint32_t in_queue_of_ours = 0;
  for (int lap = 0; lap < 10; ++lap) {
    // The paused one holds a token, so one entry always stays.
    const std::vector<std::uint32_t> got = take(consumer, 1);
    ASSERT_EQ(got.size(), 1u);
    in_queue_of_ours = got[0];
    if (lap < 9) producer.put(got);
  }
  gate.open();
  paused.join();
  ASSERT_EQ(late.size(), 1u);
  EXPECT_EQ(late[0], 1 - in_queue_of_ours) << "the slot that is not in our hand";
}

TEST(SlotQueue, FourMillionSlots) {
  constexpr std::uint32_t kSlots = 4'000'000;
  Queue<> q(kSlots);
  SlotQueue::Producer producer(q.queue);
  SlotQueue::Consumer consumer(q.queue, 1);
  std::vector<std::uint32_t> all(kSlots);
  std::iota(all.begin(), all.end(), 0u);
  EXPECT_EQ(producer.put(all).value, kSlots);
  EXPECT_EQ(take(consumer, kSlots), all);
}

TEST(SlotQueue, OrderOfEachProducerIsKept) {
  constexpr std::uint32_t kSlots = 512;
  constexpr std::uint32_t kProducers = 4;
  Queue<> q(kSlots);
  std::vector<std::thread> producers;
  for (std::uint32_t p = 0; p < kProducers; ++p)
    producers.emplace_back([&q, p] {
      SlotQueue::Producer producer(q.queue);
      for (std::uint32_t i = p; i < kSlots; i += kProducers)
        producer.put(std::vector<std::uint32_t>{i});
    });
  SlotQueue::Consumer consumer(q.queue, 1);
  std::vector<std::uint32_t> last(kProducers, 0);
  std::set<std::uint32_t> seen;
  while (seen.size() < kSlots) {
    ASSERT_EQ(consumer.wait(64).status, TakeStatus::taken);
    for (const std::uint32_t slot : take(consumer, 64)) {
      EXPECT_TRUE(seen.insert(slot).second);
      EXPECT_LE(last[slot % kProducers], slot);
      last[slot % kProducers] = slot;
    }
  }
  for (std::thread& producer : producers) producer.join();
}

}  // namespace
}  // namespace cpss
