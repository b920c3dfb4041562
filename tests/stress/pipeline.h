// Messages in slots: producers claim slots from a pool, fill them and put them into a queue;
// consumers take them, check them and give them back.
//
// The payload is plain memory, so that ThreadSanitizer sees every missing order. Checked: nothing
// lost, nothing twice, order of each producer at each consumer, payload whole, a slot never with
// two owners, tokens never more than slots, and at the end every slot free exactly once (I6).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "queue/slot_pool.h"
#include "queue/slot_queue.h"
#include "tests/queue/zeroed_memory.h"
#include "tests/stress/crew.h"

namespace cpss {

template <Mutant kMutant>
class Pipeline {
 public:
  explicit Pipeline(const Run& run)
      : run_(run),
        queue_memory_(Queue::bytes(run.slots)),
        pool_memory_(Pool::bytes(run.slots)),
        queue_(*Queue::create(queue_memory_.get(), run.slots, {}, run.start)),
        pool_(*Pool::create(pool_memory_.get(), run.slots)),
        messages_(run.slots),
        seen_(run.producers * each()) {}

  void run() {
    Crew crew(run_, [this] { return state(); });
    for (std::uint32_t i = 0; i < run_.consumers; ++i)
      crew.start("consumer", [this](Worker& me) { consume(me); });
    for (std::uint32_t i = 0; i < run_.producers; ++i)
      crew.start("producer", [this, i](Worker& me) { produce(me, i); });
    crew.join("producer");
    queue_.close();
    crew.join("consumer");
    check_end();
  }

 private:
  using Platform = StressPlatform<kMutant>;
  using Queue = BasicSlotQueue<Platform>;
  using Pool = BasicSlotPool<Platform>;

  // The payload of a slot. A slot that was given back is blank, as if it was never used.
  struct Message {
    std::uint64_t sequence = 0;
    std::uint64_t check = 0;
    std::uint32_t producer = 0;
    bool full = false;
  };

  static constexpr std::uint32_t kMaxBatch = 16;
  static constexpr std::uint32_t kMaxCached = 32;

  std::uint64_t each() const { return run_.messages / run_.producers; }
  std::uint32_t lanes() const { return run_.producers + run_.consumers; }
  static std::uint64_t check_of(std::uint32_t producer, std::uint64_t sequence) {
    return Random(sequence << 8 | producer).next();
  }
  template <class... Args>
  [[noreturn]] void wrong(fmt::format_string<Args...> format, Args&&... args) {
    fail(run_, fmt::format(format, std::forward<Args>(args)...));
  }

  void produce(Worker& me, std::uint32_t producer) {
    typename Queue::Producer out(queue_);
    typename Pool::SlotCache cache(pool_, kMaxCached, lanes());
    std::vector<std::uint32_t> batch(kMaxBatch);
    for (std::uint64_t sent = 0; sent < each();) {
      const auto wanted = static_cast<std::uint32_t>(
          std::min<std::uint64_t>(each() - sent, me.random().up_to(kMaxBatch)));
      std::span<std::uint32_t> slots = std::span(batch).first(wanted);
      slots = slots.first(claim(me, cache, slots));
      // Now and then gives some back unused.
      const std::size_t unused = me.random().one_in(8) ? me.random().below(2) : 0;
      for (const std::uint32_t slot : slots.first(unused)) messages_[slot].full = false;
      cache.give_back(slots.first(unused));
      slots = slots.subspan(unused);

      for (const std::uint32_t slot : slots) {
        messages_[slot] = {sent, check_of(producer, sent), producer, true};
        ++sent;
      }
      me.doing("puts");
      announced_.fetch_add(slots.size(), std::memory_order_relaxed);
      const PostResult posted = out.put(slots);
      if (posted.value > run_.slots)
        wrong("{} entries ready of {} slots", posted.value, run_.slots);
      me.progressed(slots.size());
      if (run_.scenario == Scenario::burst) wait_until_all_is_taken(me);
    }
  }

  void wait_until_all_is_taken(Worker& me) {
    me.doing("waits until all is taken");
    while (taken_.load(std::memory_order_relaxed) < announced_.load(std::memory_order_relaxed))
      sched_yield();
  }

  std::size_t claim(Worker& me, typename Pool::SlotCache& cache, std::span<std::uint32_t> out) {
    me.doing("claims");
    std::size_t got = cache.claim(out);
    while (got == 0) {
      me.doing("waits for slots");
      const TakeResult taken =
          pool_.free_slots().take(static_cast<std::uint32_t>(out.size()), 1, me.deadline());
      if (taken.status == TakeStatus::closed) wrong("the pool says closed");
      cache.keep(taken.tokens);
      got = cache.claim(out.first(taken.tokens));
    }
    for (const std::uint32_t slot : out.first(got)) {
      if (slot >= run_.slots) wrong("claimed slot {}", slot);
      if (std::exchange(messages_[slot].full, true)) wrong("slot {} claimed while in use", slot);
    }
    return got;
  }

  void consume(Worker& me) {
    typename Queue::Consumer in(queue_, run_.consumers);
    typename Pool::SlotCache cache(pool_, kMaxCached, lanes());
    std::vector<std::uint32_t> batch(kMaxBatch);
    std::vector<std::uint64_t> next(run_.producers, 0);
    for (;;) {
      const std::uint32_t max = me.random().up_to(kMaxBatch);
      if (!me.random().one_in(4)) {
        cache.give_all_back();
        me.doing("waits for entries");
        const TakeResult result = in.wait(max, me.deadline());
        if ((result.status == TakeStatus::taken) != (result.tokens > 0))
          wrong("status {} with {} tokens", static_cast<int>(result.status), result.tokens);
        if (result.status == TakeStatus::closed) return;
      }
      me.doing("takes");
      const auto slots = std::span(batch).first(in.try_take(std::span(batch).first(max)));
      for (const std::uint32_t slot : slots) check(slot, next);
      cache.give_back(slots);
      taken_.fetch_add(slots.size(), std::memory_order_relaxed);
      me.progressed(slots.size());
    }
  }

  void check(std::uint32_t slot, std::vector<std::uint64_t>& next) {
    if (slot >= run_.slots) wrong("took slot {}", slot);
    Message& message = messages_[slot];
    if (!message.full) wrong("slot {} taken while free", slot);
    if (message.producer >= run_.producers ||
        message.check != check_of(message.producer, message.sequence))
      wrong("payload of slot {} damaged", slot);
    if (message.sequence < next[message.producer])
      wrong("message {} of producer {} taken after {}", message.sequence, message.producer,
            next[message.producer] - 1);
    next[message.producer] = message.sequence + 1;
    if (seen_[message.producer * each() + message.sequence].exchange(1, std::memory_order_relaxed))
      wrong("message {} of producer {} taken twice", message.sequence, message.producer);
    message = {};
  }

  // To be called after all threads have ended.
  void check_end() {
    const auto seen = std::accumulate(seen_.begin(), seen_.end(), std::uint64_t{0});
    if (seen != seen_.size()) wrong("{} of {} messages lost", seen_.size() - seen, seen_.size());
    if (queue_.ready_guess() != 0) wrong("{} tokens for an empty queue", queue_.ready_guess());
    BasicSemaphore<Platform>& tokens = pool_.free_slots();
    if (tokens.value_guess() != run_.slots || tokens.waiters_guess() != 0)
      wrong("{} tokens for {} free slots, {} waiters counted", tokens.value_guess(), run_.slots,
            tokens.waiters_guess());
    std::vector<std::uint32_t> all(run_.slots);
    typename Pool::SlotCache cache(pool_, 0, 1);
    cache.claim(all);
    std::sort(all.begin(), all.end());
    for (std::uint32_t i = 0; i < run_.slots; ++i)
      if (all[i] != i) wrong("the pool does not hold slot {} exactly once", i);
  }

  std::string state() const {
    return fmt::format("ready {}, free tokens {}, waiting for slots {}", queue_.ready_guess(),
                       pool_.free_slots().value_guess(), pool_.free_slots().waiters_guess());
  }

  const Run& run_;
  ZeroedMemory queue_memory_;
  ZeroedMemory pool_memory_;
  Queue& queue_;
  Pool& pool_;
  std::vector<Message> messages_;
  std::vector<std::atomic<std::uint8_t>> seen_;
  // Relaxed: they must not order what the queue does not order.
  std::atomic<std::uint64_t> announced_ = 0;
  std::atomic<std::uint64_t> taken_ = 0;
};

}  // namespace cpss
