// The memory orders and the single steps of semaphore, slot queue and slot pool on which their
// invariants hang. A policy of the platform (platform.h), so that tests can exchange one at a time
// for a wrong one, and prove that they would notice (tests/stress/mutants.h). The server's are
// these; all of them are inlined.
//
// The letters name the pairs of memory orders at the head of the class that uses them.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

namespace cpss {

struct Steps {
  // --- semaphore (semaphore.h) ---

  static constexpr std::memory_order kPost = std::memory_order_release;
  static constexpr std::memory_order kTake = std::memory_order_acquire;

  // post(): whether to wake a waiter although a wake-up may be on its way. `width`: of the tokens
  // after the post; `width_woken_for`: at the last wake-up, 0 if none is on its way.
  static bool wakes_again(std::uint64_t width, std::uint64_t width_woken_for) noexcept {
    return width > width_woken_for;
  }
  // A waiter leaves: whether it wakes the next one. `others_have_reason`: there is something for
  // the others.
  static bool passes_on(bool others_have_reason) noexcept { return others_have_reason; }
  // A waiter that has found nothing is about to sleep: whether it clears the mark that a wake-up is
  // on its way. `marked`: the mark is there.
  static bool clears_mark(bool marked) noexcept { return marked; }
  // The low half of the word with which a waiter sleeps. `load`: reads it.
  template <class Load>
  static std::uint32_t word_asleep(Load) noexcept {
    return 0;
  }
  // What a timed take returns for its look at the word. `in_time`: its deadline has not passed.
  template <class Result>
  static Result taken(const Result& look, bool in_time) noexcept {
    static_cast<void>(in_time);
    return look;
  }
  template <class Wake>
  static void wake_one(Wake wake) noexcept {
    wake();
  }
  // close().
  template <class Wake>
  static void wake_all(Wake wake) noexcept {
    wake();
  }

  // --- slot queue (slot_queue.h) ---

  static constexpr std::memory_order kCell = std::memory_order_release;
  static constexpr std::memory_order kScan = std::memory_order_acquire;
  static constexpr std::memory_order kMark = std::memory_order_acq_rel;
  static constexpr std::memory_order kHeadLoad = std::memory_order_acquire;
  static constexpr std::memory_order kHead = std::memory_order_acq_rel;

  // put(): `write` writes `count` cells and returns how many the mark has passed since; `post`
  // posts tokens.
  template <class Write, class Post>
  static auto put(std::uint64_t count, Write write, Post post) noexcept {
    static_cast<void>(count);
    const std::uint64_t passed = write();
    return passed == 0 ? decltype(post(passed)){} : post(passed);
  }
  // The position whose lap a cell must have to count as written.
  static std::uint64_t in_lap_of(std::uint64_t position) noexcept { return position; }
  // `has_turn`: whether the cell at the position has the turn of its lap.
  template <class Queue>
  static bool written(const Queue&, std::uint64_t, bool has_turn) noexcept {
    return has_turn;
  }
  // A look at the published mark that follows the producer's own write to its cell (Q4).
  template <class Mark>
  static std::uint64_t read_mark(Mark& published) noexcept {
    return published.fetch_add(0, kMark);
  }
  // How many cells behind the mark are written. `advanced`: this producer has just moved the mark.
  template <class Scan>
  static std::uint64_t ahead(Scan scan, bool advanced) noexcept {
    static_cast<void>(advanced);
    return scan();
  }
  // read(): copies cells, then takes them by advancing the head; false: another consumer has.
  template <class Copy, class Advance>
  static bool copy_and_advance(Copy copy, Advance advance) noexcept {
    copy();
    return advance();
  }
  // By how much the head advances for so many cells.
  static std::uint64_t taken_cells(std::uint64_t count) noexcept { return count; }

  // --- slot pool (slot_pool.h) ---

  static constexpr std::memory_order kPush = std::memory_order_release;
  static constexpr std::memory_order kWalk = std::memory_order_acquire;
  static constexpr std::memory_order kPop = std::memory_order_acq_rel;

  // The change count after one more change.
  static std::uint64_t next_change(std::uint64_t count, std::uint64_t one) noexcept {
    return count + one;
  }
  // `push` puts slots on the stack, `post` posts so many tokens.
  template <class Push, class Post>
  static auto give_back(std::span<const std::uint32_t> slots, Push push, Post post) noexcept {
    push(slots);
    return post(slots.size());
  }
};

}  // namespace cpss
