// The slot pool and its caches: on one thread, then with a lane that waits and one that is
// overtaken in the middle of a walk (P1 to P3). Under load: tests/stress.
#include "queue/slot_pool.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <numeric>
#include <random>
#include <set>
#include <span>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/queue/gate.h"
#include "tests/queue/zeroed_memory.h"

namespace cpss {
namespace {

using Slots = std::vector<std::uint32_t>;

template <class Platform>
struct OwnPool {
  explicit OwnPool(std::uint32_t slots)
      : memory(BasicSlotPool<Platform>::bytes(slots)),
        pool(*BasicSlotPool<Platform>::create(memory.get(), slots)) {}

  std::uint32_t free_tokens() const { return pool.free_slots().value_guess(); }

  ZeroedMemory memory;
  BasicSlotPool<Platform>& pool;
};

template <class Cache>
Slots claim(Cache& cache, std::size_t max) {
  Slots out(max);
  out.resize(cache.claim(out));
  return out;
}

Slots sorted(Slots slots) {
  std::sort(slots.begin(), slots.end());
  return slots;
}

std::size_t resident_pages(const ZeroedMemory& memory) {
  const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> resident((memory.bytes() + page - 1) / page);
  if (mincore(memory.get(), memory.bytes(), resident.data()) != 0) throw std::bad_alloc();
  return static_cast<std::size_t>(
      std::count_if(resident.begin(), resident.end(), [](unsigned char r) { return r & 1; }));
}

TEST(SlotPool, FreshSlotsComeLowestFirst) {
  OwnPool<NativePlatform> own(8);
  SlotPool::SlotCache cache(own.pool, 0, 1);
  EXPECT_EQ(claim(cache, 3), (Slots{0, 1, 2}));
  EXPECT_EQ(claim(cache, 3), (Slots{3, 4, 5}));
  EXPECT_EQ(claim(cache, 3), (Slots{6, 7})) << "what there is";
  EXPECT_EQ(claim(cache, 3), Slots{});
  const Slots all = {0, 1, 2, 3, 4, 5, 6, 7};
  cache.give_back(all);
}

TEST(SlotPool, OneOfSeveralSharersLeavesTheOthersTheirs) {
  OwnPool<NativePlatform> own(8);
  SlotPool::SlotCache cache(own.pool, 0, 1);
  Slots out(8);
  EXPECT_EQ(cache.claim(out, 3), 3u);
  EXPECT_EQ(cache.claim(std::span(out).subspan(3), 3), 2u);
  EXPECT_EQ(own.pool.ever_used(), 5u);
  cache.give_back(std::span(out).first(5));
  EXPECT_EQ(cache.claim(out, 1), 8u);
  EXPECT_EQ(own.pool.ever_used(), 8u);
  cache.give_back(out);
}

TEST(SlotPool, LastGivenBackIsFirstUsedAgain) {
  OwnPool<NativePlatform> own(64);
  SlotPool::SlotCache without_cache(own.pool, 0, 1);
  claim(without_cache, 6);
  without_cache.give_back(Slots{4, 2, 5});
  without_cache.give_back(Slots{0});
  EXPECT_EQ(claim(without_cache, 3), (Slots{0, 5, 2}));
  EXPECT_EQ(claim(without_cache, 2), (Slots{4, 6})) << "only then a fresh one";

  SlotPool::SlotCache with_cache(own.pool, 8, 1);
  with_cache.give_back(Slots{4, 6, 0});
  EXPECT_EQ(claim(with_cache, 2), (Slots{0, 6}));
  with_cache.give_back(Slots{0, 6, 5, 2, 1, 3});
}

TEST(SlotPool, OneSlot) {
  OwnPool<NativePlatform> own(1);
  SlotPool::SlotCache cache(own.pool, 64, 1);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(claim(cache, 5), Slots{0});
    EXPECT_EQ(claim(cache, 5), Slots{});
    cache.give_back(Slots{0});
    EXPECT_EQ(own.free_tokens(), 1u) << "nobody keeps the only slot";
  }
}

TEST(SlotPool, FourMillionSlotsEachOnce) {
  constexpr std::uint32_t kFourMillion = 4'000'000;
  OwnPool<NativePlatform> own(kFourMillion);
  SlotPool::SlotCache cache(own.pool, 64, 1);
  EXPECT_EQ(own.free_tokens(), kFourMillion);
  Slots all = claim(cache, kFourMillion);
  ASSERT_EQ(all.size(), kFourMillion);
  std::mt19937 random(1);
  std::shuffle(all.begin(), all.end(), random);
  cache.give_back(all);
  cache.give_all_back();
  EXPECT_EQ(own.free_tokens(), kFourMillion);
  const Slots again = sorted(claim(cache, kFourMillion));
  ASSERT_EQ(again.size(), kFourMillion);
  for (std::uint32_t i = 0; i < kFourMillion; ++i) ASSERT_EQ(again[i], i);
  cache.give_back(again);
}

TEST(SlotPool, MemoryOfSlotsThatAreNotNeededIsNotTouched) {
  for (const std::uint32_t slots : {4'000'000u, SlotPool::kMaxSlots}) {
    OwnPool<NativePlatform> own(slots);
    // A huge page would be resident as a whole.
    madvise(own.memory.get(), own.memory.bytes(), MADV_NOHUGEPAGE);
    SlotPool::SlotCache cache(own.pool, 64, 2);
    for (int i = 0; i < 1000; ++i) cache.give_back(claim(cache, 100));
    cache.give_all_back();
    EXPECT_EQ(own.free_tokens(), slots);
    // The object and the links of the first hundred slots.
    EXPECT_LE(resident_pages(own.memory), 2u) << slots << " slots";
  }
}

TEST(SlotPoolDeathTest, KnowsItsRange) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  ZeroedMemory memory(SlotPool::bytes(1));
  EXPECT_DEATH(SlotPool::create(memory.get(), 0), "broken invariant: slots are within range");
  EXPECT_DEATH(SlotPool::create(memory.get(), SlotPool::kMaxSlots + 1), "broken invariant");
}

TEST(SlotCache, KeepsAFewWhenSlotsAreMany) {
  OwnPool<NativePlatform> own(8192);
  SlotPool::SlotCache cache(own.pool, 64, 4);
  const Slots slots = claim(cache, 40);
  EXPECT_EQ(own.free_tokens(), 8192u - 40);
  cache.give_back(slots);
  EXPECT_EQ(own.free_tokens(), 8192u - 40) << "all forty are kept";
  EXPECT_EQ(sorted(claim(cache, 40)), slots);
  EXPECT_EQ(own.free_tokens(), 8192u - 40) << "and used again without the pool";
  cache.give_back(slots);
}

TEST(SlotCache, PassesOnWhatIsTooMuch) {
  OwnPool<NativePlatform> own(8192);
  SlotPool::SlotCache cache(own.pool, 64, 4);
  cache.give_back(claim(cache, 1000));
  EXPECT_GE(own.free_tokens(), 8192u - 64);
  EXPECT_LT(own.free_tokens(), 8192u) << "some are kept";
}

TEST(SlotCache, VanishesWhenSlotsAreFew) {
  // The other three lanes have to find slots: a cache keeps at most an eighth of a fair share.
  for (const std::uint32_t slots : {1u, 3u, 31u}) {
    OwnPool<NativePlatform> own(slots);
    SlotPool::SlotCache cache(own.pool, 64, 4);
    cache.give_back(claim(cache, slots));
    EXPECT_EQ(own.free_tokens(), slots);
  }
}

TEST(SlotCache, GivesEverythingBackWhenAnotherLaneWaits) {
  OwnPool<NativePlatform> own(8192);
  SlotPool::SlotCache cache(own.pool, 64, 4);
  const Slots slots = claim(cache, 10);
  cache.give_back(std::span(slots).first(9));
  EXPECT_EQ(own.free_tokens(), 8182u);
  own.pool.free_slots().begin_wait();
  EXPECT_EQ(cache.give_back(std::span(slots).last(1)), 1u) << "the waiting lane is woken";
  EXPECT_EQ(own.free_tokens(), 8192u);
  own.pool.free_slots().end_wait();
}

TEST(SlotCache, GivesAllBackBeforeAWaitAndAtItsEnd) {
  OwnPool<NativePlatform> own(8192);
  {
    SlotPool::SlotCache cache(own.pool, 64, 4);
    cache.give_back(claim(cache, 10));
    EXPECT_EQ(own.free_tokens(), 8182u);
    cache.give_all_back();
    EXPECT_EQ(own.free_tokens(), 8192u);
    cache.give_all_back();
    EXPECT_EQ(own.free_tokens(), 8192u);
    cache.give_back(claim(cache, 10));
    EXPECT_EQ(own.free_tokens(), 8182u);
  }
  EXPECT_EQ(own.free_tokens(), 8192u);
}

TEST(SlotCache, TokensTakenElsewhereBecomeSlotsForTheNextClaim) {
  OwnPool<NativePlatform> own(4);
  SlotPool::SlotCache cache(own.pool, 0, 1);
  cache.keep(own.pool.free_slots().try_take(3));
  EXPECT_EQ(own.free_tokens(), 1u);
  const Slots out = claim(cache, 3);
  EXPECT_EQ(out, (Slots{0, 1, 2}));
  cache.give_back(out);
  EXPECT_EQ(own.free_tokens(), 4u);
}

TEST(SlotCache, WaitingLaneGetsTheSlotThatComesBack) {
  OwnPool<NativePlatform> own(2);
  SlotPool::SlotCache cache(own.pool, 64, 2);
  const Slots both = claim(cache, 2);
  std::thread other([&] {
    SlotPool::SlotCache own_cache(own.pool, 64, 2);
    const TakeResult result = own.pool.free_slots().take(2);
    ASSERT_EQ(result.tokens, 1u);
    own_cache.keep(result.tokens);
    const Slots out = claim(own_cache, 1);
    EXPECT_EQ(out, Slots{1});
    own_cache.give_back(out);
  });
  while (own.pool.free_slots().waiters_guess() == 0) std::this_thread::yield();
  cache.give_back(std::span(both).last(1));
  other.join();
  cache.give_back(std::span(both).first(1));
  EXPECT_EQ(own.free_tokens(), 2u);
}

// ABA: a lane has walked 1 -> 0 when others take both and give 1 back. The top looks the same.
TEST(SlotPool, WalkAcrossAChangeIsRepeated) {
  OwnPool<GatePlatform> own(4);
  using Cache = BasicSlotPool<GatePlatform>::SlotCache;
  Cache others(own.pool, 0, 2);
  claim(others, 4);
  others.give_back(Slots{3, 2, 0, 1});
  Gate gate(PausePoint::pool_walked);
  Slots got;
  std::thread walker([&] {
    Cache cache(own.pool, 0, 2);
    gate.stop_this_thread();
    got = claim(cache, 1);
  });
  gate.wait_until_reached();
  EXPECT_EQ(claim(others, 2), (Slots{1, 0}));
  others.give_back(Slots{1});
  gate.open();
  walker.join();
  EXPECT_EQ(got, Slots{1});
  EXPECT_EQ(claim(others, 4), (Slots{2, 3})) << "slot 0 is in use and must not come again";
  others.give_back(Slots{0, 1, 2, 3});
  EXPECT_EQ(own.free_tokens(), 4u);
}

// Random steps of three lanes: a slot has one owner, and none gets lost.
TEST(SlotPool, ConservesSlots) {
  std::mt19937 random(1);
  for (const std::uint32_t slots : {1u, 2u, 3u, 4u, 5u, 1024u}) {
    for (int round = 0; round < 20; ++round) {
      OwnPool<NativePlatform> own(slots);
      std::deque<SlotPool::SlotCache> caches;
      for (int i = 0; i < 3; ++i) caches.emplace_back(own.pool, 16, 3);
      Slots owned;
      for (int step = 0; step < 1000; ++step) {
        SlotPool::SlotCache& cache = caches[random() % 3];
        switch (random() % 5) {
          case 0:
          case 1: {
            const Slots got = claim(cache, random() % 9);
            owned.insert(owned.end(), got.begin(), got.end());
            break;
          }
          case 2:
          case 3: {
            std::shuffle(owned.begin(), owned.end(), random);
            const std::size_t count = std::min<std::size_t>(owned.size(), random() % 9);
            cache.give_back(std::span(owned).last(count));
            owned.resize(owned.size() - count);
            break;
          }
          default:
            cache.give_all_back();
        }
        ASSERT_EQ(std::set<std::uint32_t>(owned.begin(), owned.end()).size(), owned.size())
            << "a slot with two owners";
        ASSERT_LE(own.free_tokens() + owned.size(), slots);
      }
      caches[0].give_back(owned);
      for (SlotPool::SlotCache& cache : caches) cache.give_all_back();
      ASSERT_EQ(own.free_tokens(), slots);
      const Slots all = sorted(claim(caches[0], slots));
      ASSERT_EQ(all.size(), slots);
      for (std::uint32_t i = 0; i < slots; ++i) ASSERT_EQ(all[i], i);
      caches[0].give_back(all);
    }
  }
}

}  // namespace
}  // namespace cpss
