// Words that are used without having been constructed there: in zeroed pages, by another process,
// in a read-only mapping.
#include "queue/shared_word.h"

#include <atomic>
#include <cstdint>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/queue/zeroed_memory.h"
#include "tests/support/forked_process.h"

namespace cpss {
namespace {

struct Header {
  SharedWord<std::uint64_t> word{};
  std::uint32_t plain = 0;
};

static_assert(ImplicitLifetime<SharedWord<std::uint64_t>> && ImplicitLifetime<Header> &&
              ImplicitLifetime<std::uint64_t>);
// The queues' cells, the slots' headers and the stats region once were such atomics.
static_assert(!ImplicitLifetime<std::atomic<std::uint64_t>>);
static_assert(sizeof(SharedWord<std::uint64_t>) == 8 && alignof(SharedWord<std::uint64_t>) == 8);
static_assert(sizeof(SharedWord<std::uint32_t>) == 4);

TEST(SharedWord, BehavesLikeAnAtomic) {
  SharedWord<std::uint32_t> word{};
  EXPECT_EQ(word.load(std::memory_order_relaxed), 0u);
  word.store(3, std::memory_order_release);
  EXPECT_EQ(word.fetch_add(2, std::memory_order_acq_rel), 3u);
  std::uint32_t expected = 4;
  EXPECT_FALSE(word.compare_exchange_strong(expected, 7, std::memory_order_acq_rel));
  EXPECT_EQ(expected, 5u);
  EXPECT_TRUE(word.compare_exchange_strong(expected, 7, std::memory_order_acq_rel));
  while (!word.compare_exchange_weak(expected = 7, 8, std::memory_order_acq_rel)) {
  }
  EXPECT_EQ(word.load(std::memory_order_acquire), 8u);
}

TEST(SharedWord, NeedsNoConstructionInZeroedMemoryOfSeveralProcesses) {
  constexpr std::uint64_t kRounds = 10'000;
  ZeroedMemory memory(sizeof(Header) * 2, ZeroedMemory::Sharing::process_shared);
  auto* headers = static_cast<Header*>(memory.get());
  ForkedProcess child([&] {
    for (std::uint64_t i = 0; i < kRounds; ++i)
      headers[1].word.fetch_add(1, std::memory_order_relaxed);
    return 0;
  });
  for (std::uint64_t i = 0; i < kRounds; ++i)
    headers[1].word.fetch_add(1, std::memory_order_relaxed);
  EXPECT_EQ(child.exit_code(), 0);
  EXPECT_EQ(headers[1].word.load(std::memory_order_acquire), 2 * kRounds);
  EXPECT_EQ(headers[0].word.load(std::memory_order_acquire), 0u);
}

TEST(SharedWord, IsReadWhereItCannotBeWritten) {
  ZeroedMemory memory(sizeof(Header));
  auto* header = static_cast<Header*>(memory.get());
  header->word.store(9, std::memory_order_release);
  ASSERT_EQ(mprotect(memory.get(), memory.bytes(), PROT_READ), 0);
  const Header& seen = *header;
  EXPECT_EQ(seen.word.load(std::memory_order_acquire), 9u);
}

}  // namespace
}  // namespace cpss
