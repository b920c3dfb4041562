#include "stages/message/slot_store.h"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "stages/message/memory.h"
#include "tests/support/forked_process.h"

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

// Parent and child, each with its copy of the store object: headers and windows are the same.
TEST(SlotStore, SharedSlotsAreTheSameInBothProcesses) {
  SlotStore store(4, 512, Sharing::process_shared);
  ForkedProcess child([&] {
    const MessageRef ref = store.occupy(2);
    store.header(2).request_length = 5;
    std::memcpy(store.request(2), "hello", 5);
    std::memcpy(store.reply(2), "world", 5);
    return static_cast<int>(ref.generation);
  });
  EXPECT_EQ(child.exit_code(), 1);
  EXPECT_TRUE(store.holds({2, 1}));
  EXPECT_EQ(store.header(2).request_length, 5u);
  EXPECT_EQ(std::memcmp(store.request(2), "hello", 5), 0);
  EXPECT_EQ(std::memcmp(store.reply(2), "world", 5), 0);
  EXPECT_EQ(store.release({2, 1}), Release::released);
}

TEST(SlotStore, OfReleaseInOneProcessAndSeizeInTheOtherExactlyOneSucceeds) {
  constexpr std::uint32_t kSlots = 5000;
  SlotStore store(kSlots, 64, Sharing::process_shared);
  for (std::uint32_t slot = 0; slot < kSlots; ++slot) store.occupy(slot);
  const Memory results(kSlots, Sharing::process_shared);
  ProcessGate both_run;
  ForkedProcess child([&] {
    both_run.open();
    for (std::uint32_t slot = 0; slot < kSlots; ++slot)
      if (store.release({slot, 1}) == Release::released) results.data()[slot] = std::byte{1};
    return 0;
  });
  both_run.wait();
  std::vector<bool> seized(kSlots);
  for (std::uint32_t slot = kSlots; slot-- > 0;) seized[slot] = store.seize(slot);
  EXPECT_EQ(child.exit_code(), 0);
  for (std::uint32_t slot = 0; slot < kSlots; ++slot)
    ASSERT_NE(seized[slot], results.data()[slot] == std::byte{1}) << "slot " << slot;
}

}  // namespace
}  // namespace cpss
