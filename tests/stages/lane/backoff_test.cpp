#include "stages/lane/backoff.h"

#include <gtest/gtest.h>

#include "tests/support/time_units.h"

namespace cpss {
namespace {

using test::kMs;

TEST(Backoff, PausesAreTwiceAsLongEachTimeUpToTheMax) {
  Backoff backoff;
  std::uint64_t now = 5'000 * kMs;
  EXPECT_FALSE(backoff.failing());
  EXPECT_TRUE(backoff.due(0));
  for (const std::uint64_t pause : {10u, 20u, 40u, 80u, 160u, 320u, 640u, 1000u, 1000u, 1000u}) {
    backoff.failed(now);
    EXPECT_TRUE(backoff.failing());
    EXPECT_EQ(backoff.pause_ns(), pause * kMs);
    EXPECT_FALSE(backoff.due(now + pause * kMs - 1));
    EXPECT_TRUE(backoff.due(now + pause * kMs));
    EXPECT_EQ(backoff.not_before().time_since_epoch(), std::chrono::nanoseconds(now + pause * kMs));
    now += pause * kMs;
  }
}

TEST(Backoff, ASuccessBeginsAnew) {
  Backoff backoff(std::chrono::milliseconds(1));
  for (int i = 0; i < 5; ++i) backoff.failed(0);
  backoff.succeeded();
  EXPECT_FALSE(backoff.failing());
  EXPECT_TRUE(backoff.due(0));
  backoff.failed(0);
  EXPECT_EQ(backoff.pause_ns(), kMs);
}

TEST(Backoff, APauseThatIsEndedIsForgottenAndTheNextIsNoShorter) {
  Backoff backoff;
  backoff.failed(0);
  backoff.failed(0);
  backoff.end_pause();
  EXPECT_TRUE(backoff.due(0));
  EXPECT_TRUE(backoff.failing()) << "it has not succeeded";
  backoff.failed(0);
  EXPECT_EQ(backoff.pause_ns(), 40 * kMs);
}

TEST(Backoff, AMaxOfItsOwn) {
  Backoff backoff(std::chrono::milliseconds(1), std::chrono::milliseconds(10));
  for (int i = 0; i < 10; ++i) backoff.failed(0);
  EXPECT_EQ(backoff.pause_ns(), 10 * kMs);
}

}  // namespace
}  // namespace cpss
