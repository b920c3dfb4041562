#include "queue/slot_pool.h"

#include <algorithm>
#include <numeric>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "tests/queue/zeroed_memory.h"

namespace cpss {
namespace {

struct Pool {
  explicit Pool(std::uint32_t slots)
      : memory(SlotPool::bytes(slots)), pool(*SlotPool::create(memory.get(), slots)) {}

  std::uint32_t free() const { return pool.free_slots().value_guess(); }

  ZeroedMemory memory;
  SlotPool& pool;
};

std::vector<std::uint32_t> claim(SlotPool::SlotCache& cache, std::size_t most) {
  std::vector<std::uint32_t> out(most);
  out.resize(cache.claim(out));
  return out;
}

std::vector<std::uint32_t> sorted(std::vector<std::uint32_t> slots) {
  std::sort(slots.begin(), slots.end());
  return slots;
}

TEST(SlotPool, HandsOutEachSlotOnce) {
  Pool p(5);
  SlotPool::SlotCache cache(p.pool, 0, 1);
  EXPECT_EQ(sorted(claim(cache, 9)), (std::vector<std::uint32_t>{0, 1, 2, 3, 4}));
  EXPECT_TRUE(claim(cache, 1).empty());
}

TEST(SlotPool, OneSlot) {
  Pool p(1);
  SlotPool::SlotCache cache(p.pool, 128, 3);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(claim(cache, 64), std::vector<std::uint32_t>{0});
    EXPECT_TRUE(claim(cache, 64).empty());
    cache.give_back(std::vector<std::uint32_t>{0});
    EXPECT_EQ(p.free(), 1u) << "a cache must not keep the only slot";
  }
}

TEST(SlotPool, LastInFirstOut) {
  Pool p(100);
  SlotPool::SlotCache cache(p.pool, 0, 1);
  claim(cache, 10);
  cache.give_back(std::vector<std::uint32_t>{3, 8, 5});
  EXPECT_EQ(claim(cache, 1), std::vector<std::uint32_t>{5});
  EXPECT_EQ(claim(cache, 2), (std::vector<std::uint32_t>{8, 3}));
  EXPECT_EQ(claim(cache, 1), std::vector<std::uint32_t>{10}) << "the lowest never used";
}

TEST(SlotPool, CacheKeepsAFewAndReusesTheNewest) {
  Pool p(1000);
  SlotPool::SlotCache cache(p.pool, 16, 1);
  const std::vector<std::uint32_t> all = claim(cache, 100);
  EXPECT_EQ(p.free(), 900u);
  cache.give_back(std::span(all).first(10));
  EXPECT_EQ(p.free(), 900u) << "kept by the lane";
  cache.give_back(std::span(all).subspan(10));
  EXPECT_EQ(p.free(), 992u) << "all but half of what it may keep";
  EXPECT_EQ(claim(cache, 1), std::vector<std::uint32_t>{all.back()});
  cache.give_back(std::vector<std::uint32_t>{all.back()});
  cache.give_all_back();
  EXPECT_EQ(p.free(), 1000u);
}

TEST(SlotPool, CacheVanishesWhenSlotsAreFew) {
  Pool p(64);
  SlotPool::SlotCache cache(p.pool, 128, 8);
  const std::vector<std::uint32_t> all = claim(cache, 64);
  cache.give_back(std::span(all).first(1));
  cache.give_back(std::span(all).subspan(1));
  EXPECT_EQ(p.free(), 64u);
}

TEST(SlotPool, CacheGivesAllToAWaiter) {
  Pool p(1000);
  SlotPool::SlotCache cache(p.pool, 100, 1);
  const std::vector<std::uint32_t> all = claim(cache, 1000);
  p.pool.free_slots().begin_wait();
  EXPECT_EQ(cache.give_back(std::span(all).first(3)), 1u);
  const TakeResult result = p.pool.free_slots().poll_wait(10);
  ASSERT_EQ(result.tokens, 3u);
  std::vector<std::uint32_t> slots(result.tokens);
  cache.accept(slots);
  EXPECT_EQ(sorted(slots), sorted({all.begin(), all.begin() + 3}));
}

TEST(SlotPool, CacheGivesBackWhenItGoes) {
  Pool p(1000);
  {
    SlotPool::SlotCache cache(p.pool, 100, 1);
    cache.give_back(claim(cache, 50));
    EXPECT_EQ(p.free(), 950u);
  }
  EXPECT_EQ(p.free(), 1000u);
}

std::size_t resident_pages(const ZeroedMemory& memory) {
  std::vector<unsigned char> pages((memory.bytes() + 4095) / 4096);
  EXPECT_EQ(mincore(memory.get(), memory.bytes(), pages.data()), 0);
  return static_cast<std::size_t>(std::count(pages.begin(), pages.end(), 1));
}

class LargePool : public testing::TestWithParam<std::uint32_t> {};

TEST_P(LargePool, MemoryThatIsNotNeededIsNotTouched) {
  Pool p(GetParam());
  // Huge pages would be resident whole.
  madvise(p.memory.get(), p.memory.bytes(), MADV_NOHUGEPAGE);
  SlotPool::SlotCache cache(p.pool, 128, 1);
  for (int i = 0; i < 1000; ++i) cache.give_back(claim(cache, 200));
  cache.give_all_back();
  EXPECT_EQ(p.free(), GetParam());
  EXPECT_LE(resident_pages(p.memory), 4u);
}

INSTANTIATE_TEST_SUITE_P(Sizes, LargePool, testing::Values(4'000'000u, SlotPool::kMostSlots));

TEST(SlotPool, AllOfFourMillionSlots) {
  constexpr std::uint32_t kSlots = 4'000'000;
  Pool p(kSlots);
  SlotPool::SlotCache cache(p.pool, 128, 1);
  std::vector<std::uint32_t> all = claim(cache, kSlots);
  ASSERT_EQ(all.size(), kSlots);
  cache.give_back(all);
  cache.give_all_back();
  all = sorted(claim(cache, kSlots));
  for (std::uint32_t i = 0; i < kSlots; ++i) ASSERT_EQ(all[i], i);
}

TEST(SlotPool, EverySlotHasOneOwnerWhateverTheLanesDo) {
  constexpr std::uint32_t kSlots = 300;
  Pool p(kSlots);
  std::vector<std::atomic<int>> owners(kSlots);
  std::vector<std::thread> lanes;
  for (int lane = 0; lane < 4; ++lane)
    lanes.emplace_back([&, lane] {
      SlotPool::SlotCache cache(p.pool, 16, 4);
      for (int i = 0; i < 20'000; ++i) {
        const auto slots = claim(cache, 1 + static_cast<std::size_t>((i + lane) % 30));
        for (const std::uint32_t slot : slots) EXPECT_EQ(owners[slot].fetch_add(1), 0);
        for (const std::uint32_t slot : slots) owners[slot].fetch_sub(1);
        cache.give_back(slots);
      }
    });
  for (std::thread& lane : lanes) lane.join();
  EXPECT_EQ(p.free(), kSlots);
}

}  // namespace
}  // namespace cpss
