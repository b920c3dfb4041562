#include "tools/udpblast/loop.h"

#include <gtest/gtest.h>

#include "tools/udpblast/transactions.h"

namespace cpss::udpblast {
namespace {

TEST(LoopSettings, AClosedLoopSharesOutClientsAndWhatIsOutstanding) {
  Options options;
  options.clients = 7;
  options.threads = 3;
  options.outstanding = 100;
  std::uint32_t clients = 0;
  std::uint32_t outstanding = 0;
  for (std::uint32_t thread = 0; thread < 3; ++thread) {
    const LoopSettings settings = settings_of(options, 1'000, thread);
    EXPECT_FALSE(settings.schedule);
    EXPECT_GE(settings.outstanding, settings.clients * (100 / 7));
    clients += settings.clients;
    outstanding += settings.outstanding;
  }
  EXPECT_EQ(clients, 7u);
  EXPECT_EQ(outstanding, 100u);
}

TEST(LoopSettings, AnOpenLoopHasRoomForAllOfATimeOutTwice) {
  Options options;
  options.rate = 100'000;
  options.timeout_ns = 5'000'000'000;
  EXPECT_GE(settings_of(options, kMaxMessages, 0).outstanding, 1'000'000u);
  EXPECT_LE(settings_of(options, kMaxMessages, 0).outstanding, 1'010'000u);
  options.clients = options.threads = 4;
  for (std::uint32_t thread = 0; thread < 4; ++thread) {
    const LoopSettings settings = settings_of(options, kMaxMessages, thread);
    EXPECT_GE(settings.outstanding, 250'000u);
    EXPECT_LE(settings.outstanding, 260'000u);
    ASSERT_TRUE(settings.schedule);
    EXPECT_EQ(settings.schedule->first, thread);
    EXPECT_EQ(settings.schedule->stride, 4u);
  }
}

TEST(LoopSettings, RoomForNoMoreThanThereIs) {
  Options options;
  options.rate = 10'000'000;
  options.timeout_ns = 3'600'000'000'000;
  EXPECT_EQ(settings_of(options, kMaxMessages, 0).outstanding, kMaxSlots - kRemembered);
  EXPECT_LE(settings_of(options, 1'000, 0).outstanding, 4'000u);
}

TEST(LoopSettings, RoomForAWholeBurst) {
  Options options;
  options.burst = Burst{50'000, 3'600'000'000'000};
  EXPECT_GE(settings_of(options, kMaxMessages, 0).outstanding, 50'000u);
}

TEST(LoopSettings, AskedForOutstandingHoldsInAnOpenLoopToo) {
  Options options;
  options.rate = 100'000;
  options.outstanding = 11;
  options.clients = options.threads = 2;
  EXPECT_EQ(settings_of(options, 1'000, 0).outstanding, 6u);
  EXPECT_EQ(settings_of(options, 1'000, 1).outstanding, 5u);
}

TEST(LoopSettings, HowManyMessages) {
  Options options;
  EXPECT_EQ(messages_of(options, 7), 7u);
  options.run_ns = 1'000'000'000;
  EXPECT_EQ(messages_of(options, 7), kMaxMessages);
  options.rate = 500;
  EXPECT_EQ(messages_of(options, 7), 500u);
  options.count = 499;
  EXPECT_EQ(messages_of(options, 7), 499u);
  options.count.reset();
  options.rate.reset();
  options.burst = Burst{10, 300'000'000};
  EXPECT_EQ(messages_of(options, 7), 40u);
}

TEST(LoopSettings, WhoVerifiesKnowsHowManyThereAreHoweverLongItListens) {
  Options options;
  options.part = Part::verify;
  options.run_ns = 60'000'000'000;
  EXPECT_EQ(messages_of(options, 7), 7u);
  options.count = 5;
  EXPECT_EQ(messages_of(options, 7), 5u);
}

}  // namespace
}  // namespace cpss::udpblast
