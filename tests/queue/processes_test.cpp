// Two processes over one slot pool and one slot queue in shared memory.
//
// Both alive: every message arrives, once, in order. One killed, at each step that the other can
// observe and at random moments: the other one never hangs, because each of its waits has a
// deadline, and it takes only messages that were put in, none twice. It may find fewer slots and
// entries than there were: queue/README.md, "What is not promised".
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <new>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "queue/slot_pool.h"
#include "queue/slot_queue.h"
#include "tests/queue/zeroed_memory.h"
#include "tests/support/forked_process.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kSlots = 8;
constexpr std::uint32_t kBatch = 3;
constexpr std::chrono::milliseconds kWait{5};
// A wait that takes this long has missed its deadline, however busy the machine is.
constexpr std::chrono::seconds kHang{10};

// Kills its own process at one pause point, when it comes there for the n-th time.
struct CrashPlatform : NativePlatform {
  struct Plan {
    std::optional<PausePoint> point;
    int visits = 0;
  };
  static Plan& plan() noexcept {
    static Plan of_this_process;
    return of_this_process;
  }
  static void pause(PausePoint point) noexcept {
    if (plan().point == point && --plan().visits == 0) ::kill(::getpid(), SIGKILL);
  }
};

using Pool = BasicSlotPool<CrashPlatform>;
using Queue = BasicSlotQueue<CrashPlatform>;

// Shared by the processes: pool, queue, and a message number in each slot.
class Edge {
 public:
  struct Messages {
    std::atomic<std::uint64_t> sent{0};
    std::array<std::uint64_t, kSlots> in_slot{};  // plain: the queue orders it
  };

  Pool& pool() { return pool_; }
  Queue& queue() { return queue_; }
  Messages& messages() { return messages_; }

 private:
  static constexpr auto kShared = ZeroedMemory::Sharing::process_shared;
  static constexpr WakeOptions kWake = {.scope = Scope::process_shared};

  ZeroedMemory pool_memory_{Pool::bytes(kSlots), kShared};
  ZeroedMemory queue_memory_{Queue::bytes(kSlots), kShared};
  ZeroedMemory messages_memory_{sizeof(Messages), kShared};
  Pool& pool_ = *Pool::create(pool_memory_.get(), kSlots, kWake);
  Queue& queue_ = *Queue::create(queue_memory_.get(), kSlots, kWake);
  Messages& messages_ = *new (messages_memory_.get()) Messages;
};

// One process's end of the edge, for either direction.
class Party {
 public:
  explicit Party(Edge& edge) : edge_(edge), cache_(edge.pool(), 0, 2), consumer_(edge.queue(), 1) {}

  // Sends a batch of as many messages as it gets slots; returns their number, 0 if no slot came in
  // time.
  std::size_t send() {
    std::array<std::uint32_t, kBatch> slots{};
    const auto batch = std::span(slots).first(claim(slots));
    for (const std::uint32_t slot : batch) {
      EXPECT_LT(slot, kSlots);
      edge_.messages().in_slot[slot % kSlots] = ++edge_.messages().sent;
    }
    Queue::Producer(edge_.queue()).put(batch);
    return batch.size();
  }

  // Takes a batch; returns the number of messages, 0 if none came in time.
  std::size_t receive() {
    std::array<std::uint32_t, kBatch> slots{};
    const auto begin = std::chrono::steady_clock::now();
    status_ = consumer_.wait(kBatch, begin + kWait).status;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, kHang);
    const auto batch = std::span(slots).first(consumer_.try_take(slots));
    // A message may have come after the wait has timed out.
    EXPECT_TRUE(status_ != TakeStatus::taken || !batch.empty());
    for (const std::uint32_t slot : batch) look_at(slot);
    cache_.give_back(batch);
    return batch.size();
  }
  bool closed() const { return status_ == TakeStatus::closed; }

  const std::set<std::uint64_t>& seen() const { return seen_; }
  bool in_order() const { return in_order_; }

  // Every slot that is free or in the queue has one owner.
  void expect_no_slot_twice() {
    std::array<std::uint32_t, 2 * kSlots> slots{};
    std::size_t count = 0;
    while (const std::size_t got = claim(std::span(slots).subspan(count))) count += got;
    count += consumer_.try_take(std::span(slots).subspan(count));
    EXPECT_LE(count, kSlots);
    EXPECT_EQ(std::set(slots.begin(), slots.begin() + static_cast<std::ptrdiff_t>(count)).size(),
              count);
  }

 private:
  std::size_t claim(std::span<std::uint32_t> out) {
    if (const std::size_t got = cache_.claim(out); got > 0) return got;
    const auto begin = std::chrono::steady_clock::now();
    const auto max = static_cast<std::uint32_t>(out.size());
    const TakeResult result = edge_.pool().free_slots().take(max, 1, begin + kWait);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, kHang);
    cache_.keep(result.tokens);
    return cache_.claim(out.first(result.tokens));
  }

  void look_at(std::uint32_t slot) {
    ASSERT_LT(slot, kSlots);
    const std::uint64_t message = edge_.messages().in_slot[slot];
    EXPECT_GE(message, 1u) << "a slot that nobody handed in";
    EXPECT_LE(message, edge_.messages().sent) << "a message that nobody sent";
    in_order_ = in_order_ && (seen_.empty() || message > *seen_.rbegin());
    EXPECT_TRUE(seen_.insert(message).second) << "message " << message << " came twice";
  }

  Edge& edge_;
  Pool::SlotCache cache_;
  Queue::Consumer consumer_;
  TakeStatus status_ = TakeStatus::waiting;
  std::set<std::uint64_t> seen_;
  bool in_order_ = true;
};

constexpr std::uint64_t kMessages = 20'000;

void send_all(Edge& edge) {
  Party producer(edge);
  const Deadline end = std::chrono::steady_clock::now() + 60s;
  while (edge.messages().sent < kMessages && std::chrono::steady_clock::now() < end)
    producer.send();
  edge.queue().close();
}

bool receives_all(Edge& edge) {
  Party consumer(edge);
  const Deadline end = std::chrono::steady_clock::now() + 60s;
  while (!consumer.closed() && std::chrono::steady_clock::now() < end) consumer.receive();
  EXPECT_TRUE(consumer.in_order());
  EXPECT_EQ(consumer.seen().size(), edge.messages().sent);
  consumer.expect_no_slot_twice();
  return !testing::Test::HasFailure();
}

TEST(Processes, WhatAChildSendsArrivesOnceAndInOrder) {
  Edge edge;
  ForkedProcess child([&] {
    send_all(edge);
    return 0;
  });
  EXPECT_TRUE(receives_all(edge));
  EXPECT_GE(edge.messages().sent, kMessages);
  EXPECT_EQ(child.exit_code(), 0);
}

TEST(Processes, WhatIsSentToAChildArrivesOnceAndInOrder) {
  Edge edge;
  ForkedProcess child([&] { return receives_all(edge) ? 0 : 1; });
  send_all(edge);
  EXPECT_GE(edge.messages().sent, kMessages);
  EXPECT_EQ(child.exit_code(), 0) << "see the output above";
}

enum class Role { producer, consumer };

// Plays its role until `go_on` says no, with pauses in which the other side runs dry.
template <class GoOn>
void play(Party& party, Role role, GoOn go_on) {
  for (int i = 0; go_on(); ++i) {
    role == Role::producer ? party.send() : party.receive();
    if (i % 8 == 7) std::this_thread::sleep_for(200us);
  }
}

// A child plays one role, this process the other, until the child is dead and for a while after
// that.
void outlive(Edge& edge, Role role_of_the_child, CrashPlatform::Plan plan,
             std::optional<std::chrono::microseconds> killed_after) {
  ForkedProcess victim([&] {
    CrashPlatform::plan() = plan;
    Party party(edge);
    play(party, role_of_the_child, [parent = ::getppid()] { return ::getppid() == parent; });
    return 0;
  });
  Party survivor(edge);
  const auto begin = std::chrono::steady_clock::now();
  play(survivor, role_of_the_child == Role::producer ? Role::consumer : Role::producer, [&] {
    const auto past = std::chrono::steady_clock::now() - begin;
    if (past > (killed_after ? std::chrono::nanoseconds(*killed_after) : 30s)) victim.kill();
    return !victim.ended();
  });
  const bool in_time = std::chrono::steady_clock::now() - begin < 30s;
  const int status = victim.wait();
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  ASSERT_TRUE(in_time) << "the child never came to the point";
  // The survivor alone: takes the remaining messages, then sends and receives in turn.
  for (int i = 0; i < 4; ++i) survivor.receive();
  for (int i = 0; i < 8; ++i) {
    survivor.send();
    survivor.receive();
  }
  survivor.expect_no_slot_twice();
}

struct Crash {
  const char* name;
  Role role;
  PausePoint point;
};

void PrintTo(const Crash& crash, std::ostream* out) {
  *out << crash.name;
}

constexpr Crash kCrashes[] = {
    {"ProducerClaimed", Role::producer, PausePoint::queue_claimed},
    {"ProducerWritten", Role::producer, PausePoint::queue_written},
    {"ProducerPublished", Role::producer, PausePoint::queue_published},
    {"ProducerWalked", Role::producer, PausePoint::pool_walked},
    {"ProducerRegistered", Role::producer, PausePoint::semaphore_registered},
    {"ProducerWoken", Role::producer, PausePoint::semaphore_woken},
    {"ConsumerTokensInHand", Role::consumer, PausePoint::queue_tokens_in_hand},
    {"ConsumerCellsRead", Role::consumer, PausePoint::queue_cells_read},
    {"ConsumerLinked", Role::consumer, PausePoint::pool_linked},
    {"ConsumerRegistered", Role::consumer, PausePoint::semaphore_registered},
    {"ConsumerWoken", Role::consumer, PausePoint::semaphore_woken},
};

// G03: SIGKILL at each step, with rings that are empty, full and in between.
class G03KilledAtAStep : public testing::TestWithParam<Crash> {};

TEST_P(G03KilledAtAStep, TheOtherProcessGoesOn) {
  for (const int visits : {1, 2, 17, 100}) {
    SCOPED_TRACE(visits);
    Edge edge;
    outlive(edge, GetParam().role, {GetParam().point, visits}, {});
  }
}

INSTANTIATE_TEST_SUITE_P(Steps, G03KilledAtAStep, testing::ValuesIn(kCrashes),
                         [](const auto& crash) { return std::string(crash.param.name); });

// G02: at any moment.
TEST(Processes, G02KilledAtAnyMomentTheOtherProcessGoesOn) {
  std::mt19937 random(20'251'125);
  std::uniform_int_distribution<int> microseconds(0, 5000);
  for (int i = 0; i < 30; ++i) {
    SCOPED_TRACE(i);
    Edge edge;
    outlive(edge, i % 2 == 0 ? Role::producer : Role::consumer, {},
            std::chrono::microseconds(microseconds(random)));
  }
}

}  // namespace
}  // namespace cpss
