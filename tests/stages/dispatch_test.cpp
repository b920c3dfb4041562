// How messages go from stage to stage: stages/message/stage_output.h into a queue,
// stages/message/stage_input.h out of it.
#include <vector>

#include <gtest/gtest.h>

#include "stages/message/stage_input.h"
#include "stages/message/stage_output.h"
#include "tests/stages/own.h"
#include "tests/stages/stage_ledger.h"

namespace cpss {
namespace {

class DispatchTest : public testing::Test {
 protected:
  static constexpr std::uint32_t kSlots = 16;

  void hand_on(std::initializer_list<std::uint32_t> slots, std::uint64_t now) {
    for (const std::uint32_t slot : slots) output_.add(slot);
    output_.hand_on(now);
  }
  static std::vector<std::uint32_t> copy(std::span<const std::uint32_t> slots) {
    return {slots.begin(), slots.end()};
  }

  test::StageLedger ledger_;
  test::Own<SlotQueue> queue_{kSlots};
  SlotStore store_{kSlots, 64};
  StatsWriter before_ = ledger_.open();
  StatsWriter after_ = ledger_.open();
  StageOutput output_{queue_, 8, store_, before_};
  StageInput input_{queue_, 1, 8, store_, after_};
};

TEST_F(DispatchTest, KeepsTheOrderAndCountsBothEnds) {
  hand_on({3, 1, 2}, 1000);
  EXPECT_EQ(ledger_.total(Counter::forwarded), 3u);
  EXPECT_EQ(copy(input_.take()), (std::vector<std::uint32_t>{3, 1, 2}));
  EXPECT_EQ(ledger_.total(Counter::entered), 3u);
  EXPECT_TRUE(input_.take().empty());
  EXPECT_EQ(ledger_.total(Counter::entered), 3u);
}

TEST_F(DispatchTest, NothingAddedNothingPut) {
  output_.hand_on(1000);
  EXPECT_EQ(ledger_.total(Counter::forwarded), 0u);
  EXPECT_TRUE(input_.take().empty());
}

TEST_F(DispatchTest, ATakeIsAtMostABatch) {
  hand_on({0, 1, 2, 3, 4, 5, 6, 7}, 1000);
  hand_on({8, 9}, 1000);
  EXPECT_EQ(input_.take().size(), 8u);
  EXPECT_EQ(copy(input_.take()), (std::vector<std::uint32_t>{8, 9}));
}

TEST_F(DispatchTest, TheHighWaterIsTheMaxThatWasReady) {
  hand_on({0, 1, 2}, 1000);
  hand_on({3, 4}, 1000);
  input_.take();
  hand_on({5}, 1000);
  EXPECT_EQ(ledger_.largest(Gauge::queue_high_water), 5u);
}

TEST_F(DispatchTest, EveryMessagesWaitIsRecordedWhereverItsStampDiffers) {
  hand_on({0, 1}, 1000);
  hand_on({2}, 3000);
  hand_on({3}, 1000);
  const auto slots = input_.take();
  ASSERT_EQ(slots.size(), 4u);
  input_.book_waits(slots, 5000);
  EXPECT_EQ(ledger_.recorded(HistogramId::wait_ns), 4u);
}

// Another CPU's clock may be a little ahead: that must not be booked as a wait of 500 years.
TEST_F(DispatchTest, AStampFromTheFutureIsAWaitOfNothing) {
  hand_on({0}, 5001);
  input_.book_waits(input_.take(), 5000);
  EXPECT_EQ(ledger_.recorded(HistogramId::wait_ns), 1u);
  EXPECT_EQ(ledger_.largest(HistogramId::wait_ns), 0u);
}

TEST_F(DispatchTest, StampsAreThoseOfTheHandOn) {
  hand_on({4}, 1234);
  EXPECT_EQ(store_.header(4).published_ns, 1234u);
}

}  // namespace
}  // namespace cpss
