#include "stages/message/completion.h"

#include <array>
#include <cstdint>

#include <gtest/gtest.h>

#include "tests/stages/own.h"
#include "tests/stages/stage_ledger.h"

namespace cpss {
namespace {

class CompletionTest : public testing::Test {
 protected:
  static constexpr std::uint32_t kSlots = 8;

  // A message in a slot of its own, counted as the receive stage counts it.
  MessageRef message() {
    std::array<std::uint32_t, 1> slot{};
    EXPECT_EQ(cache_.claim(slot), 1u);
    stats_.add(Counter::received);
    stats_.add(Counter::filled);
    return store_.occupy(slot[0]);
  }
  std::uint32_t free_slots() { return pool_->free_slots().value_guess(); }
  std::int64_t residual() const {
    return static_cast<std::int64_t>(ledger_.total(Counter::received) - ledger_.outcomes() -
                                     ledger_.in_flight());
  }

  test::StageLedger ledger_;
  test::Own<SlotPool> pool_{kSlots};
  SlotStore store_{kSlots, 64};
  StatsWriter stats_ = ledger_.open();
  SlotPool::SlotCache cache_{pool_, 0, 1};
  Completion completion_{store_, cache_, stats_, kSlots};
};

TEST_F(CompletionTest, BooksAndGivesBackAtTheEndOfTheStep) {
  const MessageRef ref = message();
  completion_.complete(ref, Reason::no_answer);
  EXPECT_EQ(ledger_.outcomes(), 0u);
  EXPECT_EQ(ledger_.in_flight(), 1u);
  EXPECT_EQ(free_slots(), kSlots - 1);
  completion_.finish();
  EXPECT_EQ(ledger_.total(Reason::no_answer), 1u);
  EXPECT_EQ(ledger_.in_flight(), 0u);
  EXPECT_EQ(free_slots(), kSlots);
  EXPECT_EQ(residual(), 0);
}

TEST_F(CompletionTest, EachMessageOfABatchIsBookedForItsReason) {
  using enum Reason;
  for (const Reason reason : {answered, answered, no_answer, answered, failed_no_verdict})
    completion_.complete(message(), reason);
  completion_.finish();
  EXPECT_EQ(ledger_.total(answered), 3u);
  EXPECT_EQ(ledger_.total(no_answer), 1u);
  EXPECT_EQ(ledger_.total(failed_no_verdict), 1u);
  EXPECT_EQ(ledger_.total(Counter::completed), 5u);
  EXPECT_EQ(residual(), 0);
}

TEST_F(CompletionTest, ASecondCompletionOfTheSameMessageIsAStaleSlotAndGivesNothingBack) {
  const MessageRef ref = message();
  completion_.complete(ref, Reason::answered);
  completion_.complete(ref, Reason::answered);
  completion_.finish();
  EXPECT_EQ(ledger_.total(Reason::answered), 1u);
  EXPECT_EQ(ledger_.total(Reason::failed_stale_slot), 1u);
  EXPECT_EQ(ledger_.total(Counter::completed), 1u);
  EXPECT_EQ(free_slots(), kSlots);
  EXPECT_EQ(residual(), -1) << "the defect must show in the ledger";
}

TEST_F(CompletionTest, ASeizedMessageIsNotBookedAgain) {
  const MessageRef ref = message();
  ASSERT_TRUE(store_.seize(ref.slot));
  completion_.complete(ref, Reason::answered);
  EXPECT_FALSE(completion_.still_held(ref));
  completion_.finish();
  EXPECT_EQ(ledger_.outcomes(), 0u);
  EXPECT_EQ(ledger_.total(Counter::given_back), 0u);
  EXPECT_EQ(free_slots(), kSlots - 1) << "main keeps it";
}

TEST_F(CompletionTest, StillHeldTellsStaleFromSeizedAndBooksOnlyTheFirst) {
  const MessageRef good = message();
  EXPECT_TRUE(completion_.still_held(good));
  const MessageRef stale = message();
  completion_.complete(stale, Reason::answered);
  EXPECT_FALSE(completion_.still_held(stale));
  EXPECT_EQ(ledger_.total(Reason::failed_stale_slot), 1u);
  completion_.complete(good, Reason::answered);
  completion_.finish();
  EXPECT_EQ(free_slots(), kSlots);
}

TEST_F(CompletionTest, DroppedDatagramsLeaveMemoryWithoutASlot) {
  stats_.add(Counter::received, 5);
  stats_.add(Counter::filled, 5);
  completion_.drop(Reason::refused_not_allowed, 5);
  EXPECT_EQ(ledger_.total(Reason::refused_not_allowed), 5u);
  EXPECT_EQ(ledger_.total(Counter::completed), 5u);
  EXPECT_EQ(ledger_.in_flight(), 0u);
  EXPECT_EQ(residual(), 0);
}

}  // namespace
}  // namespace cpss
