#include "stages/receive/coalescing.h"

#include <gtest/gtest.h>

namespace cpss {
namespace {

class CoalescingTest : public testing::Test {
 protected:
  static constexpr std::size_t kMax = 64;

  struct Cost {
    std::uint64_t time_ns;
    std::uint64_t cpu_ns;
  };

  // Small batches until the lane decides; an arrival costs `with` where the lane pauses and
  // `without` where it does not. Returns whether it paused.
  bool epoch(Cost without, Cost with) {
    bool paused = false;
    for (;;) {
      const Cost& cost = coalescing_.due() ? with : without;
      now_ += {3 * cost.time_ns, 3 * cost.cpu_ns};
      paused = paused || coalescing_.due();
      if (!coalescing_.note(3, kMax)) continue;
      coalescing_.decide(now_.time_ns, now_.cpu_ns);
      return paused;
    }
  }
  // How many of so many epochs had pauses.
  unsigned paused_in(unsigned epochs, Cost without, Cost with) {
    unsigned paused = 0;
    for (unsigned i = 0; i < epochs; ++i) paused += epoch(without, with) ? 1U : 0U;
    return paused;
  }

  struct Clock : Cost {
    void operator+=(const Cost& cost) {
      time_ns += cost.time_ns;
      cpu_ns += cost.cpu_ns;
    }
  };
  Coalescing coalescing_;
  Clock now_{{1'000'000, 5'000}};
};

TEST_F(CoalescingTest, WherePausesPayItGoesOnWithThem) {
  EXPECT_GT(paused_in(200, {3'000, 2'900}, {3'100, 2'000}), 190u);
}

TEST_F(CoalescingTest, WhereTheySlowTheClientDownItTriesEverMoreSeldom) {
  EXPECT_LT(paused_in(1000, {3'500, 3'300}, {7'000, 2'000}), 25u);
}

TEST_F(CoalescingTest, WhereTheyCostMoreItDoesWithout) {
  EXPECT_LT(paused_in(1000, {3'500, 3'000}, {3'500, 3'000}), 25u);
}

TEST_F(CoalescingTest, ItNoticesWhenTrafficChanges) {
  paused_in(100, {3'000, 2'900}, {3'100, 2'000});
  paused_in(150, {3'500, 3'300}, {7'000, 2'000});
  EXPECT_LT(paused_in(100, {3'500, 3'300}, {7'000, 2'000}), 10u);
  paused_in(600, {3'000, 2'900}, {3'100, 2'000});
  EXPECT_GT(paused_in(100, {3'000, 2'900}, {3'100, 2'000}), 90u);
}

TEST_F(CoalescingTest, OnlySmallBatchesOfSeveralArrivalsArePausedAfter) {
  while (!epoch({3'000, 2'900}, {3'000, 2'000})) {
  }
  ASSERT_TRUE(coalescing_.due());
  const struct {
    std::size_t arrivals;
    bool due;
  } cases[] = {{0, false}, {1, false}, {2, true}, {31, true}, {32, false}, {64, false}};
  for (const auto& [arrivals, due] : cases) {
    coalescing_.note(arrivals, kMax);
    EXPECT_EQ(coalescing_.due(), due) << arrivals;
  }
}

}  // namespace
}  // namespace cpss
