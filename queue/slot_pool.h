// The free slots: a last-in first-out stack of indexes, a semaphore that counts them, and for each
// lane a small cache.
//
// Last in, first out, because the slot given back last is the one whose memory is still in a cache.
// A slot that has never been used is on no list: it is handed out, lowest index first, when the
// stack is empty. So memory that is never needed is never touched.
//
//   free_   semaphore: tokens = slots on the stack + slots never used, less those being taken; with
//           an eventfd, because lanes that wait for slots wait for sockets, too
//   top_    {change count, index + 1} of the stack's top; index + 1 = 0: empty
//   next_[] the stack's links; the owner of slot i may write next_[i] while i is not on the stack
//   fresh_  slots from here on have never been used
//
// A token is the right to one slot; a holder of k tokens finds k slots on the stack and among the
// fresh ones together, because slots are pushed before their tokens are posted. Pop walks k links
// and then swaps the top by compare-exchange; the change count makes the exchange fail if the stack
// has changed at all since the walk began (ABA).
//
// Thread-safety: any number of lanes, each with a SlotCache of its own; of processes too, if the
// scope is process_shared. Object and links live in memory handed in by the caller (zeroed, aligned
// to 64 bytes); no pointers inside.
//
// Invariants
//   P1  A slot is owned by one lane (in its hand or its cache), or on the stack, or fresh, or
//       inside a queue; never two of these.
//   P2  tokens free + tokens in hands = slots on the stack + fresh slots, less those pushed and not
//       yet posted: never more tokens than slots.
//   P3  A lane that waits has an empty cache.
//
// Memory orders
//   (p) top_ compare-exchange in push, release -> top_ load and compare-exchange in pop, acquire:
//       the links of all slots pushed before are visible (every change of top_ is a
//       read-modify-write, so release sequences are unbroken). So what the last owner did with a
//       slot happened before what the next one does.
//   (q) semaphore post, release -> take, acquire: a holder of tokens finds its slots at the first
//       look. Without it the holder might see an older top and look again; nothing else depends on
//       it.
//   Links are relaxed: a link read while another lane changes it belongs to a walk whose
//   compare-exchange fails.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <vector>

#include "queue/semaphore.h"

namespace cpss {

template <class Platform>
class alignas(64) BasicSlotPool {
 public:
  static constexpr std::uint32_t kMaxSlots = 16'000'000;  // index + 1 fits 24 bits

  static std::size_t bytes(std::uint32_t slots) noexcept {
    return sizeof(BasicSlotPool) + std::size_t{slots} * sizeof(Link);
  }
  // Builds a pool of `slots` free slots in zeroed memory of bytes(slots), aligned to 64; the caller
  // keeps the memory until no thread uses the pool.
  static BasicSlotPool* create(void* memory, std::uint32_t slots, WakeOptions wake = {}) noexcept {
    invariant(slots > 0 && slots <= kMaxSlots, "slots are within range");
    return new (memory) BasicSlotPool(slots, wake);
  }

  std::uint32_t slots() const noexcept { return slots_; }
  // Slots with a lower index were handed out at least once. A guess: others may be handed out
  // meanwhile. Relaxed: it says which slots to look at, nothing about their content.
  std::uint32_t ever_used() const noexcept { return fresh_.load(std::memory_order_relaxed); }
  // For lanes that wait for free slots: see BasicSemaphore. Tokens taken from it go to
  // SlotCache::keep().
  BasicSemaphore<Platform>& free_slots() noexcept { return free_; }

  // A lane's access to the pool: claims slots, gives them back, and keeps a few in between.
  class SlotCache {
   public:
    // Keeps at most `max` slots, and with `lanes` such caches at most an eighth of the pool: none
    // if the pool is small.
    SlotCache(BasicSlotPool& pool, std::uint32_t max, std::uint32_t lanes)
        : pool_(&pool), max_(std::min(max, pool.slots() / (8 * std::max(lanes, 1u)))) {
      kept_.reserve(std::max(max, max_ + kPart));
    }
    ~SlotCache() { give_all_back(); }
    SlotCache(const SlotCache&) = delete;
    SlotCache& operator=(const SlotCache&) = delete;

    // Claims up to out.size() slots without waiting, but from the pool no more than an even share
    // among `sharers` lanes, rounded up.
    std::size_t claim(std::span<std::uint32_t> out, std::uint32_t sharers = 1) noexcept {
      std::size_t got = std::min(out.size(), kept_.size());
      // Newest first.
      std::copy_n(kept_.rbegin(), got, out.begin());
      kept_.resize(kept_.size() - got);
      if (got < out.size()) {
        const std::uint32_t tokens =
            pool_->free_.try_take(static_cast<std::uint32_t>(out.size() - got), sharers);
        pool_->pop(out.subspan(got, tokens));
        got += tokens;
      }
      return got;
    }

    // Turns tokens taken from free_slots() into slots and keeps them, for the next claim(). Beyond
    // `max` tokens (see the constructor) it may allocate.
    void keep(std::uint32_t tokens) noexcept {
      const std::size_t kept = kept_.size();
      kept_.resize(kept + tokens);
      const auto slots = std::span(kept_).subspan(kept);
      pool_->pop(slots);
      std::ranges::reverse(slots);  // claim() begins with the last
    }

    // Gives slots back; those given back last are reused first. Slots beyond the cache's maximum,
    // or all slots if another lane waits for some, go on to the pool. Returns the system calls made
    // to wake a lane.
    std::uint32_t give_back(std::span<const std::uint32_t> slots) noexcept {
      std::uint32_t wakes = 0;
      while (!slots.empty()) {
        const auto part = slots.first(std::min<std::size_t>(slots.size(), kPart));
        kept_.insert(kept_.end(), part.begin(), part.end());
        slots = slots.subspan(part.size());
        if (pool_->free_.waiters_guess() > 0) {
          wakes += give_oldest_back(kept_.size());
        } else if (kept_.size() > max_) {
          wakes += give_oldest_back(kept_.size() - max_ / 2);
        }
      }
      return wakes;
    }

    // A lane calls this before it waits (P3).
    std::uint32_t give_all_back() noexcept { return give_oldest_back(kept_.size()); }

   private:
    // Slots added to kept_ at a time: it never grows past max_ + kPart, so nothing is allocated.
    static constexpr std::uint32_t kPart = 256;

    std::uint32_t give_oldest_back(std::size_t count) noexcept {
      if (count == 0) return 0;
      const PostResult result = pool_->push(std::span(kept_).first(count));
      kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(count));
      return result.wakes;
    }

    BasicSlotPool* pool_;
    std::uint32_t max_;
    std::vector<std::uint32_t> kept_;
  };

 private:
  using Steps = typename Platform::Steps;
  template <class T>
  using Atomic = typename Platform::template Atomic<T>;
  using Link = typename Platform::template Word<std::uint32_t>;

  static constexpr std::uint64_t kIndexMask = (std::uint64_t{1} << 24) - 1;
  static constexpr std::uint64_t kOneChange = kIndexMask + 1;

  BasicSlotPool(std::uint32_t slots, WakeOptions wake) noexcept
      : slots_(slots), free_(slots, wake), top_(0), fresh_(0) {}

  Link& next(std::uint32_t index) noexcept { return reinterpret_cast<Link*>(this + 1)[index]; }
  static std::uint64_t changed(std::uint64_t top, std::uint32_t index_plus_one) noexcept {
    return Steps::next_change(top & ~kIndexMask, kOneChange) | index_plus_one;
  }

  // Pushes a chain: slots.back() becomes the top.
  PostResult push(std::span<const std::uint32_t> slots) noexcept {
    return Steps::give_back(
        slots, [this](std::span<const std::uint32_t> chain) { push_chain(chain); },
        [this](std::size_t tokens) {
          return free_.post(static_cast<std::uint32_t>(tokens));  // (q)
        });
  }

  void push_chain(std::span<const std::uint32_t> slots) noexcept {
    for (std::size_t i = slots.size() - 1; i > 0; --i)
      next(slots[i]).store(slots[i - 1] + 1, std::memory_order_relaxed);
    std::uint64_t top = top_.load(std::memory_order_relaxed);
    do {
      next(slots.front())
          .store(static_cast<std::uint32_t>(top & kIndexMask), std::memory_order_relaxed);
      Platform::pause(PausePoint::pool_linked);
    } while (!top_.compare_exchange_weak(top, changed(top, slots.back() + 1), Steps::kPush,
                                         std::memory_order_relaxed));  // (p)
  }

  // The caller holds out.size() tokens, so that many slots are there (P2).
  void pop(std::span<std::uint32_t> out) noexcept {
    for (std::size_t got = 0; got < out.size();) {
      got += pop_chain(out.subspan(got));
      if (got < out.size()) got += take_fresh(out.subspan(got));
    }
  }

  std::size_t pop_chain(std::span<std::uint32_t> out) noexcept {
    std::uint64_t top = top_.load(Steps::kWalk);  // (p)
    for (;;) {
      std::size_t count = 0;
      auto link = static_cast<std::uint32_t>(top & kIndexMask);
      for (; link != 0 && count < out.size(); ++count) {
        out[count] = link - 1;
        link = next(link - 1).load(std::memory_order_relaxed);
      }
      if (count == 0) return 0;
      Platform::pause(PausePoint::pool_walked);
      if (top_.compare_exchange_weak(top, changed(top, link), Steps::kPop, Steps::kWalk))  // (p)
        return count;
    }
  }

  std::size_t take_fresh(std::span<std::uint32_t> out) noexcept {
    std::uint32_t first = fresh_.load(std::memory_order_relaxed);
    for (;;) {
      const auto count = std::min(static_cast<std::uint32_t>(out.size()), slots_ - first);
      if (count == 0) return 0;
      if (fresh_.compare_exchange_weak(first, first + count, std::memory_order_relaxed)) {
        for (std::uint32_t i = 0; i < count; ++i) out[i] = first + i;
        return count;
      }
    }
  }

  const std::uint32_t slots_;
  BasicSemaphore<Platform> free_;
  alignas(64) Atomic<std::uint64_t> top_;
  alignas(64) Atomic<std::uint32_t> fresh_;
  // The links follow the object.
};

using SlotPool = BasicSlotPool<NativePlatform>;
static_assert(ImplicitLifetime<NativePlatform::Word<std::uint32_t>>, "nobody constructs the links");
static_assert(sizeof(SlotPool) % 64 == 0, "the links behind the object start on a cache line");

}  // namespace cpss
