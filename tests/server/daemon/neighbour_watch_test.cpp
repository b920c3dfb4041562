#include "server/daemon/neighbour_watch.h"

#include <chrono>
#include <memory>
#include <thread>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "tests/support/eventually.h"
#include "tests/support/ip.h"
#include "tests/support/run_isolated.h"
#include "tests/support/threads.h"

namespace cpss {
namespace {

using test::ip;

TEST(NeighbourWatchTest, UnlessAskedItDoesNothing) {
  const auto map = std::make_unique<ReachMap>(1);
  NeighbourWatch watch(*map);
  EXPECT_FALSE(watch.collect());
  EXPECT_EQ(watch.looks(), 0u);
}

TEST(NeighbourWatchTest, PublishesWhatTheKernelSays) {
  run_isolated([] {
    OtherNamespace other;
    other.connect("here0", "there0");
    add_address("10.9.0.1/24", "here0");
    ip_command("neighbour add 10.9.0.5 dev here0 nud failed");
    const auto map = std::make_unique<ReachMap>(1);
    NeighbourWatch watch(*map);
    watch.look();
    EXPECT_TRUE(eventually([&] { return !watch.collect() && watch.looks() == 1; }));
    EXPECT_EQ(map->of(ip("10.9.0.1"), monotonic_ns()), Reach::open);
    EXPECT_EQ(map->of(ip("10.9.0.5"), monotonic_ns()), Reach::silent);

    // A look finds the change.
    ip_command("neighbour replace 10.9.0.5 lladdr 02:00:00:00:00:05 dev here0 nud stale");
    EXPECT_TRUE(eventually([&] {
      watch.look();
      return map->of(ip("10.9.0.5"), monotonic_ns()) == Reach::open;
    }));
  });
}

TEST(NeighbourWatchTest, AtMostTenLooksASecond) {
  const auto map = std::make_unique<ReachMap>(1);
  NeighbourWatch watch(*map);
  const auto begin = std::chrono::steady_clock::now();
  while (watch.looks() < 4) {
    watch.look();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ASSERT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  }
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(300));
}

// The watch may end while its thread is inside a look; the thread ends by itself, and uses nothing
// that is gone by then.
TEST(NeighbourWatchTest, ItsThreadEndsWithoutIt) {
  const auto map = std::make_unique<ReachMap>(1);
  for (int i = 0; i < 50; ++i) {
    NeighbourWatch watch(*map);
    watch.look();
  }
  EXPECT_TRUE(eventually([] { return !test::threads_of(::getpid()).contains("neighbours"); }));
}

}  // namespace
}  // namespace cpss
