#include "net/reach_map.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/ip.h"

namespace cpss {
namespace {

using test::ip;

constexpr std::uint64_t kNow = 5'000'000'000;
constexpr std::uint64_t kValidNs = std::uint64_t{ReachMap::kValid.count()};

// Number `i` of many.
IpAddress numbered(std::size_t i) {
  return ip(fmt::format("10.{}.{}.{}", i >> 16, i >> 8 & 255, i & 255));
}

class ReachMapTest : public testing::Test {
 protected:
  const std::unique_ptr<ReachMap> map_ = std::make_unique<ReachMap>(42);
};

TEST_F(ReachMapTest, NeverPublishedItKnowsNothingOfAnybody) {
  map_->begin();
  map_->add(ip("192.0.2.1"), Reach::silent);
  map_->add_network(Prefix::make("192.0.2.0", 24).value());
  EXPECT_EQ(map_->of(ip("192.0.2.1"), kNow), Reach::open);
  EXPECT_EQ(map_->of(ip("192.0.2.2"), kNow), Reach::open);
}

TEST_F(ReachMapTest, SaysWhatWasPublished) {
  map_->begin();
  map_->add(ip("192.0.2.1"), Reach::silent);
  map_->add(ip("192.0.2.2"), Reach::open);
  map_->add(ip("2001:db8::1"), Reach::silent);
  map_->add_network(Prefix::make("192.0.2.0", 24).value());
  map_->add_network(Prefix::make("2001:db8::", 64).value());
  map_->publish(kNow);
  EXPECT_EQ(map_->of(ip("192.0.2.1"), kNow), Reach::silent);
  EXPECT_EQ(map_->of(ip("::ffff:192.0.2.1"), kNow), Reach::silent)
      << "as a dual-stack socket sees it";
  EXPECT_EQ(map_->of(ip("192.0.2.2"), kNow), Reach::open);
  EXPECT_EQ(map_->of(ip("192.0.2.3"), kNow), Reach::unknown);
  EXPECT_EQ(map_->of(ip("198.51.100.1"), kNow), Reach::open) << "by a gateway";
  EXPECT_EQ(map_->of(ip("2001:db8::1"), kNow), Reach::silent);
  EXPECT_EQ(map_->of(ip("2001:db8::2"), kNow), Reach::unknown);
  EXPECT_EQ(map_->of(ip("2001:db8:0:1::1"), kNow), Reach::open);
}

TEST_F(ReachMapTest, OfTwoSayingsTheBetterOneCounts) {
  map_->begin();
  map_->add(ip("192.0.2.1"), Reach::silent);
  map_->add(ip("192.0.2.1"), Reach::open);
  map_->add(ip("192.0.2.2"), Reach::open);
  map_->add(ip("192.0.2.2"), Reach::silent);
  map_->publish(kNow);
  EXPECT_EQ(map_->of(ip("192.0.2.1"), kNow), Reach::open);
  EXPECT_EQ(map_->of(ip("192.0.2.2"), kNow), Reach::open);
}

TEST_F(ReachMapTest, ANewPublicationReplacesTheOldOne) {
  for (int round = 0; round < 5; ++round) {
    map_->begin();
    map_->add(ip(round % 2 == 0 ? "192.0.2.1" : "192.0.2.2"), Reach::silent);
    map_->publish(kNow);
    EXPECT_EQ(map_->of(ip("192.0.2.1"), kNow), round % 2 == 0 ? Reach::silent : Reach::open);
    EXPECT_EQ(map_->of(ip("192.0.2.2"), kNow), round % 2 == 1 ? Reach::silent : Reach::open);
  }
}

TEST_F(ReachMapTest, WhatIsOldSaysNothing) {
  map_->begin();
  map_->add(ip("192.0.2.1"), Reach::silent);
  map_->publish(kNow);
  EXPECT_EQ(map_->of(ip("192.0.2.1"), kNow - 1000), Reach::silent) << "a batch begun before";
  EXPECT_EQ(map_->of(ip("192.0.2.1"), kNow + kValidNs), Reach::silent);
  EXPECT_EQ(map_->of(ip("192.0.2.1"), kNow + kValidNs + 1), Reach::open);
}

TEST_F(ReachMapTest, WhatDoesNotFitIsLeftOut) {
  map_->begin();
  map_->add_network(Prefix::make("10.0.0.0", 8).value());
  constexpr std::size_t kMore = ReachMap::kMaxPeers + 1000;
  for (std::size_t i = 0; i < kMore; ++i) map_->add(numbered(i), Reach::silent);
  for (std::size_t i = 0; i < 2 * ReachMap::kMaxNetworks; ++i)
    map_->add_network({numbered(0xffff00 - i), 128});
  map_->publish(kNow);
  std::size_t silent = 0;
  for (std::size_t i = 0; i < kMore; ++i) {
    const Reach reach = map_->of(numbered(i), kNow);
    if (reach == Reach::silent) ++silent;
    EXPECT_NE(reach, Reach::open);
  }
  EXPECT_EQ(silent, ReachMap::kMaxPeers);
}

// Readers guess, but an answer was true at some time: an entry that is the same in each edition is
// missed only by a reader that two publications overtake in one look. No reader waits.
TEST_F(ReachMapTest, ReadersGoOnWhileItIsMadeAnew) {
  const auto make = [&](Reach changing) {
    map_->begin();
    map_->add(ip("192.0.2.1"), changing);
    map_->add(ip("192.0.2.2"), Reach::silent);
    map_->add_network(Prefix::make("192.0.2.0", 24).value());
    map_->publish(kNow);
  };
  make(Reach::silent);
  std::atomic<bool> stop = false;
  std::atomic<bool> seen_open = false;
  std::atomic<bool> seen_silent = false;
  std::atomic<std::uint64_t> publications = 1;
  std::thread reader([&] {
    while (!stop) {
      const std::uint64_t before = publications;
      const Reach changing = map_->of(ip("192.0.2.1"), kNow);
      const Reach constant = map_->of(ip("192.0.2.2"), kNow);
      const Reach behind_gateway = map_->of(ip("198.51.100.1"), kNow);
      if (publications == before) {
        EXPECT_NE(changing, Reach::unknown);
        EXPECT_EQ(constant, Reach::silent);
      }
      EXPECT_EQ(behind_gateway, Reach::open);
      seen_open = seen_open || changing == Reach::open;
      seen_silent = seen_silent || changing == Reach::silent;
    }
  });
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for (int round = 0; round < 200 || !seen_open || !seen_silent; ++round) {
    if (std::chrono::steady_clock::now() >= deadline) break;
    make(round % 2 == 0 ? Reach::open : Reach::silent);
    ++publications;
    // After an edition of either kind: on one CPU the reader runs at no other time.
    if (round % 17 == 0) std::this_thread::yield();
  }
  stop = true;
  reader.join();
  EXPECT_TRUE(seen_open && seen_silent);
}

// A pair of addresses that would have the same hash for every secret if the only mixing were by a
// known odd factor: the top bits would pass through unchanged.
TEST_F(ReachMapTest, NobodyIsTakenForAnotherWhateverTheSecret) {
  for (std::uint64_t secret = 1; secret < 1000; secret = 3 * secret + 1) {
    const auto map = std::make_unique<ReachMap>(secret);
    map->begin();
    map->add(ip("2001:db8::1"), Reach::silent);
    map->add_network(Prefix::make("2001:db8::", 32).value());
    map->publish(kNow);
    EXPECT_EQ(map->of(ip("2001:db8::1"), kNow), Reach::silent) << secret;
    EXPECT_EQ(map->of(ip("2001:db8:0:80::400:81"), kNow), Reach::unknown) << secret;
  }
}

}  // namespace
}  // namespace cpss
