#include "stages/slot_store.h"

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace cpss {
namespace {

TEST(SlotStore, NewSlotsHoldNothing) {
  SlotStore store(4, 512);
  for (std::uint32_t slot = 0; slot < store.slots(); ++slot) {
    EXPECT_FALSE(store.holds(store.message_in(slot)));
    EXPECT_FALSE(store.seize(slot));
  }
}

TEST(SlotStore, AMessageIsHeldUntilItIsReleasedOnce) {
  SlotStore store(2, 512);
  const MessageRef ref = store.occupy(1);
  EXPECT_TRUE(store.holds(ref));
  EXPECT_EQ(store.message_in(1).generation, ref.generation);
  EXPECT_EQ(store.release(ref), Release::released);
  EXPECT_FALSE(store.holds(ref));
  EXPECT_EQ(store.release(ref), Release::stale);
}

TEST(SlotStore, ANewGenerationMakesTheOldReferenceStaleAndStaysUntouched) {
  SlotStore store(1, 512);
  const MessageRef old = store.occupy(0);
  ASSERT_EQ(store.release(old), Release::released);
  const MessageRef now = store.occupy(0);
  EXPECT_NE(old.generation, now.generation);
  EXPECT_FALSE(store.holds(old));
  EXPECT_EQ(store.release(old), Release::stale);
  EXPECT_TRUE(store.holds(now));
}

TEST(SlotStore, SeizedForGood) {
  SlotStore store(1, 512);
  const MessageRef ref = store.occupy(0);
  EXPECT_TRUE(store.seize(0));
  EXPECT_FALSE(store.seize(0)) << "a second look must not book it again";
  EXPECT_FALSE(store.holds(ref));
  EXPECT_EQ(store.release(ref), Release::seized);
  EXPECT_EQ(store.release(ref), Release::seized);
}

TEST(SlotStore, ReleasedBeforeItCouldBeSeized) {
  SlotStore store(1, 512);
  const MessageRef ref = store.occupy(0);
  EXPECT_EQ(store.release(ref), Release::released);
  EXPECT_FALSE(store.seize(0));
}

TEST(SlotStore, OfReleaseAndSeizeExactlyOneSucceeds) {
  constexpr std::uint32_t kSlots = 20'000;
  SlotStore store(kSlots, 1);
  std::vector<MessageRef> refs;
  for (std::uint32_t slot = 0; slot < kSlots; ++slot) refs.push_back(store.occupy(slot));
  std::atomic<bool> go{false};
  std::uint64_t seized = 0;
  std::thread main([&] {
    while (!go.load()) {
    }
    for (std::uint32_t slot = kSlots; slot-- > 0;)
      if (store.seize(slot)) ++seized;
  });
  go.store(true);
  std::uint64_t released = 0;
  for (const MessageRef ref : refs)
    if (store.release(ref) == Release::released) ++released;
  main.join();
  EXPECT_EQ(released + seized, kSlots);
}

TEST(SlotStore, WindowsDoNotOverlap) {
  for (const std::size_t window : {1u, 63u, 64u, 65u, 512u, 1024u, 65'535u}) {
    SlotStore store(3, window);
    const auto fill = [window](std::byte* data, unsigned value) {
      for (std::size_t i = 0; i < window; ++i) data[i] = std::byte(value);
    };
    for (std::uint32_t slot = 0; slot < 3; ++slot) {
      fill(store.request(slot), 10 + slot);
      fill(store.reply(slot), 20 + slot);
    }
    for (std::uint32_t slot = 0; slot < 3; ++slot) {
      for (std::size_t i = 0; i < window; ++i) {
        ASSERT_EQ(store.request(slot)[i], std::byte(10 + slot)) << window;
        ASSERT_EQ(store.reply(slot)[i], std::byte(20 + slot)) << window;
      }
    }
  }
}

// With a stride of a power of two, the first lines of all windows would share a few cache sets.
TEST(SlotStore, SuccessiveWindowsStartInDifferentCacheSets) {
  SlotStore store(64, 1024);
  std::vector<bool> used(64);
  for (std::uint32_t slot = 0; slot < 64; ++slot)
    used[reinterpret_cast<std::uintptr_t>(store.request(slot)) / 64 % 64] = true;
  EXPECT_EQ(std::count(used.begin(), used.end(), true), 64);
}

}  // namespace
}  // namespace cpss
