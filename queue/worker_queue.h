// The queue of deferred messages: bounded, any number of producers (service lanes). Workers and
// on-demand threads take the messages one by one, in the order of their arrival.
//
// Boost.Lockfree carries the entries, two semaphores do the waiting: `room_` counts places, which
// is the bound, and `ready_` counts entries. An entry is one slot index.
//
//   reserve()/wait_for_room()  takes places  ─► put() pushes, then posts `ready_`
//   try_claim()/wait()         takes a token ─► pop() takes the oldest entry, then posts `room_`
//
// Why not the slot queue: that one is never full and hands out batches. Here the queue is often
// full, which must be noticed at once, and a batch would make messages wait behind a slow one while
// other workers idle.
//
// Thread-safety: any number of threads, of processes if the scope is process_shared. Lives in
// memory handed in by the caller and holds no pointers: Boost's queue with a capacity fixed at
// compile time links its nodes by 16-bit indexes (boost/lockfree/queue.hpp, detail/tagged_ptr), so
// it has at most 65,534 entries.
//
// Invariants
//   W1  entries in the queue <= limit <= kMaxEntries: a push never fails, because its place was
//       taken from room_ before and is given back only after the pop.
//   W2  tokens of ready_ taken or free <= pushes completed: the holder of a token that pops finds
//       an entry, because Boost's queue is linearizable.
//   W3  room_ + places in hands + entries = limit.
//
// Memory orders: (c) post of ready_, release -> take, acquire: the slot's content is visible to the
// holder of a token (queue/semaphore.h); Boost's own orders carry the entry itself.
//
// A known limit: the nodes' change count has 16 bits. A thread that stands still between reading
// the queue's head and its compare-exchange while exactly 65,536 n other entries pass, and finds
// the same node at the head, would take a wrong link (ABA). At 300,000 entries a second that takes
// a stop of 0.2 s that begins within a few nanoseconds and ends at one operation in 65,536. The
// queue's list of free nodes has the same limit. The generation in a slot's header shows that a
// slot was handed out twice (stages/message/slot_store.h) unless it was filled again in between.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>

#include <boost/lockfree/queue.hpp>

#include "queue/semaphore.h"

namespace cpss {

class WorkerQueue {
 public:
  static constexpr std::uint32_t kMaxEntries = 65'534;

  static std::size_t bytes() noexcept { return sizeof(WorkerQueue); }
  // Builds a queue of `limit` places (1 to kMaxEntries) in memory of bytes(), aligned to 64; the
  // caller keeps the memory until no thread uses the queue.
  static WorkerQueue* create(void* memory, std::uint32_t limit, Scope scope = {}) {
    invariant(limit > 0 && limit <= kMaxEntries, "the limit is within range");
    return new (memory) WorkerQueue(limit, scope);
  }

  // --- producers ---

  // Takes up to `max` places without waiting; returns how many.
  std::uint32_t reserve(std::uint32_t max) noexcept { return room_.try_take(max); }
  // Waits for 1 to `max` places.
  TakeResult wait_for_room(std::uint32_t max, Deadline deadline = kNoDeadline) noexcept {
    return room_.take(max, 1, deadline);
  }
  // Puts the slots, in order; the caller holds a place for each. PostResult.value: see Semaphore.
  PostResult put(std::span<const std::uint32_t> slots) noexcept {
    for (const std::uint32_t slot : slots)
      invariant(entries_.bounded_push(slot), "a push that has its place succeeds (W1)");
    return ready_.post(static_cast<std::uint32_t>(slots.size()));
  }

  // --- workers and on-demand threads ---

  // A claim is the right to one entry: the holder uses it by pop() or gives it back by unclaim().
  bool try_claim() noexcept { return ready_.try_take(1) == 1; }
  void unclaim() noexcept { ready_.post(1); }
  // Waits for one claim. `closed`: no more entries will come.
  TakeResult wait(Deadline deadline = kNoDeadline) noexcept { return ready_.take(1, 1, deadline); }
  struct Popped {
    std::uint32_t slot = 0;
    std::uint32_t wakes = 0;  // system calls made to wake a producer
  };
  // The oldest entry; the caller holds a claim.
  Popped pop() noexcept {
    Popped popped;
    invariant(entries_.pop(popped.slot), "the holder of a claim finds an entry (W2)");
    popped.wakes = room_.post(1).wakes;
    return popped;
  }

  // For a thread that calls at intervals: see BasicSemaphore.
  std::uint32_t remind() noexcept { return room_.remind() + ready_.remind(); }

  // After the last put: takers get the remaining entries, then `closed`.
  void close() noexcept { ready_.close(); }

  // A guess: entries that were ready at some moment during the call.
  std::uint32_t ready_guess() const noexcept { return ready_.value_guess(); }

 private:
  WorkerQueue(std::uint32_t limit, Scope scope)
      : room_(limit, {scope, -1}), ready_(0, {scope, -1}) {}

  Semaphore room_;
  Semaphore ready_;
  boost::lockfree::queue<std::uint32_t, boost::lockfree::capacity<kMaxEntries>> entries_;
};

}  // namespace cpss
