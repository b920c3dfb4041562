// The checks that the model checker runs: a few threads with a few steps each, in random
// interleavings and with any stale value that the memory model allows. Payloads are rl::var, plain
// memory whose races Relacy reports.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <source_location>
#include <span>
#include <utility>

#include "queue/semaphore.h"
#include "queue/slot_pool.h"
#include "queue/slot_queue.h"
#include "tests/relacy/relacy_platform.h"

namespace cpss {

inline void expect(bool holds, const char* what,
                   std::source_location where = std::source_location::current()) {
  if (!holds)
    rl::ctx().fail_test(what, rl::test_result_user_assert_failed,
                        rl::debug_info(where.function_name(), where.file_name(), where.line()));
}

// Relacy's atomics need their constructors, and zeroed memory does not run any: the cells and links
// that follow the object are built here, at the place the headers document.
template <class Object, class Element, std::size_t kElements>
class InPlace {
 public:
  template <class... Args>
  explicit InPlace(Args... args) {
    std::fill(std::begin(memory_), std::end(memory_), std::byte{0});
    auto* elements = reinterpret_cast<Element*>(memory_ + sizeof(Object));
    for (std::size_t i = 0; i < kElements; ++i) new (elements + i) Element(0);
    object_ = Object::create(memory_, args...);
  }
  ~InPlace() {
    auto* elements = reinterpret_cast<Element*>(memory_ + sizeof(Object));
    for (std::size_t i = 0; i < kElements; ++i) elements[i].~Element();
    object_->~Object();
  }
  InPlace(const InPlace&) = delete;
  InPlace& operator=(const InPlace&) = delete;

  Object& operator*() noexcept { return *object_; }
  Object* operator->() noexcept { return object_; }

 private:
  alignas(64) std::byte memory_[sizeof(Object) + kElements * sizeof(Element)];
  Object* object_;
};

// Three threads, one token: a lock around plain memory. One of the threads may time out.
template <Mutant kMutant>
struct SemaphoreAsLock : rl::test_suite<SemaphoreAsLock<kMutant>, 3> {
  BasicSemaphore<RelacyPlatform<kMutant>> semaphore{1};
  rl::var<int> guarded{0};

  void thread(unsigned index) {
    const Deadline deadline = index == 2 ? Deadline{} : kNoDeadline;
    const TakeResult result = semaphore.take(1, 1, deadline);
    if (result.status == TakeStatus::timed_out) return;
    expect(result.status == TakeStatus::taken && result.tokens == 1, "one token taken");
    guarded(RL_INFO).store(guarded(RL_INFO).load() + 1);
    semaphore.post(1);
  }
  void after() {
    expect(semaphore.value_guess() == 1, "the token is back");
    expect(semaphore.waiters_guess() == 0, "nobody waits");
  }
};

// Two threads wait for one token each, a third posts both at once: the first to wake has to wake
// the second.
template <Mutant kMutant>
struct SemaphoreChain : rl::test_suite<SemaphoreChain<kMutant>, 3> {
  BasicSemaphore<RelacyPlatform<kMutant>> semaphore{0};
  rl::var<int> posted{0};

  void thread(unsigned index) {
    if (index == 0) {
      posted(RL_INFO).store(1);
      semaphore.post(2);
      return;
    }
    const TakeResult result = semaphore.take(1);
    expect(result.status == TakeStatus::taken && result.tokens == 1, "one token taken");
    expect(posted(RL_INFO).load() == 1, "what was written before the post is seen");
  }
  void after() {
    expect(semaphore.value_guess() == 0, "no token is left");
    expect(semaphore.waiters_guess() == 0, "nobody waits");
  }
};

// The first thread to be woken stands still until the other one has its token: in any order the
// other one is not left asleep with a token free. (There are two posts of one token: the second one
// doubles the tokens of the first.)
template <Mutant kMutant>
struct SemaphoreStands : rl::test_suite<SemaphoreStands<kMutant>, 3> {
  struct Platform : RelacyPlatform<kMutant> {
    static inline SemaphoreStands* check = nullptr;
    static void pause(PausePoint point) noexcept {
      if (point == PausePoint::semaphore_woken) check->stand_still();
    }
  };

  BasicSemaphore<Platform> semaphore{0};
  BasicSemaphore<RelacyPlatform<Mutant::none>> go_on{0};
  bool stands = false;

  void before() { Platform::check = this; }

  void stand_still() {
    if (std::exchange(stands, true)) return;
    go_on.take(1);
  }

  void thread(unsigned index) {
    if (index == 0) {
      semaphore.post(1);
      semaphore.post(1);
      return;
    }
    const TakeResult result = semaphore.take(1);
    expect(result.status == TakeStatus::taken && result.tokens == 1, "one token taken");
    go_on.post(1);
  }
  void after() {
    expect(semaphore.value_guess() == 0, "no token is left");
    expect(semaphore.waiters_guess() == 0, "nobody waits");
  }
};

// Two threads wait again and again while a third posts twice and closes: no token is lost, and both
// are told.
template <Mutant kMutant>
struct SemaphoreClose : rl::test_suite<SemaphoreClose<kMutant>, 3> {
  BasicSemaphore<RelacyPlatform<kMutant>> semaphore{0};
  std::array<std::uint32_t, 3> taken{};

  void thread(unsigned index) {
    if (index == 0) {
      semaphore.post(1);
      semaphore.post(1);
      semaphore.close();
      return;
    }
    for (;;) {
      const TakeResult result = semaphore.take(2, 2, index == 2 ? Deadline{} : kNoDeadline);
      if (result.status != TakeStatus::taken) return;
      taken[index] += result.tokens;
    }
  }
  void after() {
    expect(taken[1] + taken[2] + semaphore.value_guess() == 2, "two tokens in all");
    expect(taken[1] + taken[2] == 2, "whoever waits without end gets what is left");
    expect(semaphore.waiters_guess() == 0, "nobody waits");
  }
};

// Producers put slots of a ring of `kSlots`, consumers take until it is closed. A slot is used
// again after it was taken, as with a pool (a semaphore for each producer: given back, free to
// fill).
template <Mutant kMutant, unsigned kProducers, unsigned kConsumers, unsigned kPuts, unsigned kBatch>
struct QueueExchange : rl::test_suite<QueueExchange<kMutant, kProducers, kConsumers, kPuts, kBatch>,
                                      static_cast<int>(kProducers + kConsumers)> {
  using Platform = RelacyPlatform<kMutant>;
  using Queue = BasicSlotQueue<Platform>;
  static constexpr unsigned kSlots = kProducers * kBatch;
  static constexpr unsigned kMessages = kProducers * kPuts * kBatch;

  InPlace<Queue, RelacyAtomic<std::uint64_t>, std::bit_ceil(kSlots)> queue{kSlots};
  // Each producer has kBatch slots of its own; each token stands for a free one.
  std::array<BasicSemaphore<RelacyPlatform<Mutant::none>>, kProducers> free;
  std::array<rl::var<unsigned>, kSlots> payload{};
  std::array<unsigned, kMessages> seen{};
  rl::atomic<unsigned> taken{0};

  void before() {
    for (auto& semaphore : free) semaphore.post(kBatch);
  }

  void thread(unsigned index) {
    if (index < kProducers) {
      produce(index);
    } else {
      consume();
    }
  }

  void produce(unsigned producer) {
    typename Queue::Producer out(*queue);
    for (unsigned put = 0; put < kPuts; ++put) {
      std::array<std::uint32_t, kBatch> slots;
      for (unsigned i = 0; i < kBatch; ++i) {
        free[producer].take(1);
        slots[i] = producer * kBatch + i;
        payload[slots[i]](RL_INFO).store((producer * kPuts + put) * kBatch + i);
      }
      const PostResult result = out.put(slots);
      expect(result.value <= kSlots, "no more tokens than slots");
    }
  }

  void consume() {
    typename Queue::Consumer in(*queue, kConsumers);
    std::array<unsigned, kProducers> next{};
    for (;;) {
      const TakeResult result = in.wait(2);
      if (result.status == TakeStatus::closed) return;
      std::array<std::uint32_t, 2> out;
      const std::size_t count = in.try_take(out);
      expect(count == result.tokens, "as many slots as tokens");
      for (const std::uint32_t slot : std::span(out).first(count)) {
        expect(slot < kSlots, "a slot that exists");
        const unsigned message = payload[slot](RL_INFO).load();
        const unsigned producer = message / (kPuts * kBatch);
        expect(message < kMessages && producer == slot / kBatch, "a message of this slot");
        expect(message + 1 > next[producer], "in the order of its producer");
        next[producer] = message + 1;
        expect(seen[message]++ == 0, "taken once");
        // Plain memory again: the producer that fills the slot next has to come after this.
        payload[slot](RL_INFO).store(~0u);
        free[producer].post(1);
        if (taken.fetch_add(1, rl::mo_relaxed, RL_INFO) + 1 == kMessages) queue->close();
      }
    }
  }

  void after() {
    for (const unsigned times : seen) expect(times == 1, "every message taken once");
    expect(queue->ready_guess() == 0, "no token is left");
  }
};

// Lanes claim slots from a pool that has fewer, use them, and give them back.
template <Mutant kMutant, unsigned kLanes, unsigned kSlots, unsigned kRounds, unsigned kBatch>
struct PoolExchange : rl::test_suite<PoolExchange<kMutant, kLanes, kSlots, kRounds, kBatch>,
                                     static_cast<int>(kLanes)> {
  using Pool = BasicSlotPool<RelacyPlatform<kMutant>>;

  InPlace<Pool, RelacyAtomic<std::uint32_t>, kSlots> pool{kSlots};
  std::array<rl::var<unsigned>, kSlots> payload{};
  std::array<bool, kSlots> owned{};

  void before() {
    for (auto& var : payload) var(RL_INFO).store(0);
  }

  void thread(unsigned lane) {
    typename Pool::SlotCache cache(*pool, 0, kLanes);
    for (unsigned round = 0; round < kRounds; ++round) {
      std::array<std::uint32_t, kBatch> out;
      const std::uint32_t count = pool->free_slots().take(kBatch).tokens;
      const auto slots = std::span(out).first(count);
      cache.keep(count);
      expect(cache.claim(slots) == count, "a slot for each token");
      for (const std::uint32_t slot : slots) {
        expect(slot < kSlots, "a slot that exists");
        expect(!std::exchange(owned[slot], true), "a slot that nobody owns");
        payload[slot](RL_INFO).store(payload[slot](RL_INFO).load() + lane);
      }
      for (const std::uint32_t slot : slots) owned[slot] = false;
      cache.give_back(slots);
    }
  }

  void after() {
    expect(pool->free_slots().value_guess() == kSlots, "a token for every slot");
    typename Pool::SlotCache cache(*pool, 0, 1);
    std::array<std::uint32_t, kSlots> all;
    expect(cache.claim(all) == kSlots, "every slot can be claimed");
    std::sort(all.begin(), all.end());
    for (unsigned i = 0; i < kSlots; ++i) expect(all[i] == i, "every slot is there once");
    cache.give_back(all);
  }
};

}  // namespace cpss
