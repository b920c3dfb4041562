#include "tools/udpblast/transaction_id.h"

#include <gtest/gtest.h>

namespace cpss::udpblast {
namespace {

TEST(TransactionIds, SayWhatWentIn) {
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{42}, ~std::uint64_t{0}}) {
    const TransactionIds ids(seed);
    for (const std::uint64_t message : {std::uint64_t{0}, std::uint64_t{1}, kMaxMessages - 1})
      for (const std::uint32_t slot : {0U, 1U, kMaxSlots - 1}) {
        const auto [message_again, slot_again] = ids.decode(ids.encode(message, slot));
        EXPECT_EQ(message_again, message);
        EXPECT_EQ(slot_again, slot);
      }
  }
}

TEST(TransactionIds, AreTheSameForTheSameSeedOnly) {
  for (std::uint64_t message = 0; message < 1'000; ++message) {
    const std::uint64_t id = TransactionIds(42).encode(message, 0);
    EXPECT_EQ(id, TransactionIds(42).encode(message, 0));
    EXPECT_GT(TransactionIds(43).decode(id).message, 1'000'000u);
  }
}

}  // namespace
}  // namespace cpss::udpblast
