#include "tools/udpblast/transactions.h"

#include <algorithm>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace cpss::udpblast {
namespace {

TEST(MessageIdAllocator, EndsAtTheCount) {
  MessageIdPool pool(5);
  MessageIdAllocator supply(pool);
  const auto first = supply.take(3);
  EXPECT_EQ(first.first, 0u);
  EXPECT_EQ(first.end, 3u);
  const auto second = supply.take(64);
  EXPECT_EQ(second.first, 3u);
  EXPECT_EQ(second.end, 5u);
  const auto none = supply.take(64);
  EXPECT_EQ(none.first, none.end);
}

TEST(MessageIdAllocator, WhatIsGivenBackComesAgain) {
  MessageIdPool pool(10);
  MessageIdAllocator supply(pool);
  supply.take(8);
  supply.give_back(5);
  EXPECT_EQ(supply.take(1).first, 3u);
  EXPECT_EQ(supply.take(64).first, 4u);
  supply.give_back(6);
  const auto rest = supply.take(64);
  EXPECT_EQ(rest.first, 4u);
  EXPECT_EQ(rest.end, 10u);
}

TEST(MessageIdAllocator, ThreadsShareAllIdsOutOnce) {
  constexpr std::uint64_t kCount = 100'003;
  constexpr std::size_t kThreads = 4;
  MessageIdPool pool(kCount);
  std::vector<std::vector<std::uint64_t>> taken(kThreads);
  {
    std::vector<std::jthread> threads;
    for (auto& mine : taken)
      threads.emplace_back([&pool, &mine] {
        MessageIdAllocator supply(pool);
        for (auto range = supply.take(7); range.first != range.end; range = supply.take(7))
          for (std::uint64_t n = range.first; n < range.end; ++n) mine.push_back(n);
      });
  }
  std::vector<std::uint64_t> all;
  for (const auto& mine : taken) all.insert(all.end(), mine.begin(), mine.end());
  std::ranges::sort(all);
  ASSERT_EQ(all.size(), kCount);
  for (std::uint64_t n = 0; n < kCount; ++n) ASSERT_EQ(all[n], n);
}

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

using Match = TransactionTable::Match;

constexpr std::uint64_t kTimeout = 1'000;
constexpr std::uint64_t kSeed = 0x1234'5678'9abc'def0;
constexpr std::uint32_t kClient = 3;

TEST(TransactionTable, AReplyEndsItsMessageOnce) {
  TransactionTable table(4, 4, kTimeout, kSeed);
  const std::uint64_t id = table.open(7, kClient, 100);
  EXPECT_EQ(table.outstanding(), 1u);
  const auto reply = table.close(id, kClient, 350);
  EXPECT_EQ(reply.match, Match::in_time);
  EXPECT_EQ(reply.message, 7u);
  EXPECT_EQ(reply.age_ns, 250u);
  EXPECT_EQ(table.outstanding(), 0u);
  const auto again = table.close(id, kClient, 360);
  EXPECT_EQ(again.match, Match::duplicate);
  EXPECT_EQ(again.message, 7u);
}

TEST(TransactionTable, DuplicateIsKnownAfterTheSlotWasUsedAgain) {
  TransactionTable table(1, 1, kTimeout, kSeed);
  const std::uint64_t first = table.open(0, kClient, 0);
  EXPECT_EQ(table.close(first, kClient, 1).match, Match::in_time);
  for (std::uint64_t message = 1; message < 1'000; ++message) {
    const std::uint64_t id = table.open(message, kClient, message);
    const auto duplicate = table.close(first, kClient, message);
    EXPECT_EQ(duplicate.match, Match::duplicate);
    EXPECT_EQ(duplicate.message, 0u);
    EXPECT_EQ(table.close(id, kClient, message).match, Match::in_time);
  }
}

TEST(TransactionTable, IdsNeverSentAreUnknown) {
  TransactionTable table(64, 64, kTimeout, kSeed);
  TransactionTable other(64, 64, kTimeout, kSeed + 1);
  std::vector<std::uint64_t> ids;
  for (std::uint64_t message = 0; message < 64; ++message)
    ids.push_back(table.open(message, kClient, 0));
  EXPECT_EQ(table.close(0, kClient, 0).match, Match::unknown);
  EXPECT_EQ(table.close(~std::uint64_t{0}, kClient, 0).match, Match::unknown);
  for (const std::uint64_t id : ids) {
    EXPECT_EQ(other.close(id, kClient, 0).match, Match::unknown);
    for (unsigned bit = 0; bit < 64; ++bit)
      EXPECT_EQ(table.close(id ^ std::uint64_t{1} << bit, kClient, 0).match, Match::unknown) << bit;
  }
  EXPECT_EQ(table.close(ids[0], kClient + 1, 0).match, Match::unknown);
  EXPECT_EQ(table.outstanding(), 64u);
}

TEST(TransactionTable, EveryMessageHasItsOwnId) {
  TransactionTable table(100, 1, kTimeout, kSeed);
  std::set<std::uint64_t> ids;
  for (std::uint64_t message = 0; message < 10'000; ++message) {
    const std::uint64_t id = table.open(message, kClient, message);
    EXPECT_TRUE(ids.insert(id).second);
    EXPECT_EQ(table.close(id, kClient, message).message, message);
  }
}

TEST(TransactionTable, HoldsTheLargestNumbers) {
  TransactionTable table(1, 0, kTimeout, kSeed);
  const std::uint64_t id = table.open(kMaxMessages - 1, kClient, 0);
  EXPECT_EQ(table.close(id, kClient, 0).message, kMaxMessages - 1);
}

TEST(TransactionTable, LatencyCountsFromThePlannedTime) {
  TransactionTable table(2, 2, kTimeout, kSeed);
  const std::uint64_t answered = table.open(0, kClient, 10'000, 3'000);
  const std::uint64_t lost = table.open(1, kClient, 10'000, 2'500);
  const auto reply = table.close(answered, kClient, 10'400);
  EXPECT_EQ(reply.age_ns, 400u);
  EXPECT_EQ(reply.latency_ns, 3'400u);
  EXPECT_FALSE(table.expire(10'000 + kTimeout)) << "the time-out counts from the send";
  const auto expired = table.expire(10'001 + kTimeout);
  ASSERT_TRUE(expired);
  EXPECT_EQ(expired->planned_ns, 7'500u);
  EXPECT_EQ(table.close(lost, kClient, 12'000).latency_ns, 4'500u);
}

TEST(TransactionTable, RoomForAsManyAsSaid) {
  TransactionTable table(2, 1, kTimeout, kSeed);
  EXPECT_EQ(table.room(), 2u);
  const std::uint64_t id = table.open(0, kClient, 0);
  table.open(1, kClient, 0);
  EXPECT_EQ(table.room(), 0u);
  table.close(id, kClient, 1);
  EXPECT_EQ(table.room(), 1u);
}

TEST(TransactionTable, TimeOutsInTheOrderOfSending) {
  TransactionTable table(3, 3, kTimeout, kSeed);
  const std::uint64_t first = table.open(0, 0, 100);
  const std::uint64_t second = table.open(1, 1, 200);
  table.open(2, 2, 300);
  EXPECT_EQ(table.next_deadline_ns(), 1'101u);
  table.close(second, 1, 400);  // from the middle of the table
  EXPECT_FALSE(table.expire(1'100));
  const auto expired = table.expire(1'101);
  ASSERT_TRUE(expired);
  EXPECT_EQ(expired->message, 0u);
  EXPECT_EQ(expired->transaction, first);
  EXPECT_EQ(expired->client, 0u);
  EXPECT_EQ(expired->sent_ns, 100u);
  EXPECT_FALSE(table.expire(1'300));
  EXPECT_EQ(table.next_deadline_ns(), 1'301u);
  EXPECT_EQ(table.expire(1'301)->message, 2u);
  EXPECT_FALSE(table.next_deadline_ns());
  EXPECT_EQ(table.outstanding(), 0u);
}

TEST(TransactionTable, LateOnceThenDuplicate) {
  TransactionTable table(1, 1, kTimeout, kSeed);
  const std::uint64_t id = table.open(0, kClient, 0);
  ASSERT_TRUE(table.expire(kTimeout + 1));
  EXPECT_EQ(table.awaited_late(), 1u);
  const std::uint64_t next = table.open(1, kClient, kTimeout + 2);
  const auto late = table.close(id, kClient, 5'000);
  EXPECT_EQ(late.match, Match::late);
  EXPECT_EQ(late.age_ns, 5'000u);
  EXPECT_EQ(table.awaited_late(), 0u);
  EXPECT_EQ(table.close(id, kClient, 5'001).match, Match::duplicate);
  EXPECT_EQ(table.close(next, kClient, 5'002).match, Match::in_time);
}

TEST(TransactionTable, OldestTimeOutIsForgottenWhenSlotsRunOut) {
  TransactionTable table(1, 2, kTimeout, kSeed);
  std::vector<std::uint64_t> ids;
  std::uint64_t now = 0;
  for (std::uint64_t message = 0; message < 5; ++message) {
    ids.push_back(table.open(message, kClient, now));
    now += kTimeout + 1;
    ASSERT_TRUE(table.expire(now)) << message;
  }
  // Three slots: the last three are remembered; the two before them were given up.
  EXPECT_EQ(table.awaited_late(), 3u);
  EXPECT_EQ(table.close(ids[0], kClient, now).match, Match::duplicate);
  EXPECT_EQ(table.close(ids[1], kClient, now).match, Match::duplicate);
  EXPECT_EQ(table.close(ids[2], kClient, now).match, Match::late);
  EXPECT_EQ(table.close(ids[3], kClient, now).match, Match::late);
  EXPECT_EQ(table.close(ids[4], kClient, now).match, Match::late);
  EXPECT_EQ(table.awaited_late(), 0u);
}

TEST(TransactionTable, TakenBackIsAsIfNeverOpened) {
  TransactionTable table(2, 0, kTimeout, kSeed);
  const std::uint64_t first = table.open(0, kClient, 0);
  const std::uint64_t second = table.open(1, kClient, 0);
  table.take_back(second);
  EXPECT_EQ(table.outstanding(), 1u);
  const std::uint64_t again = table.open(1, kClient, 10);
  EXPECT_EQ(table.close(first, kClient, 20).match, Match::in_time);
  EXPECT_EQ(table.close(again, kClient, 20).age_ns, 10u);
  EXPECT_FALSE(table.expire(1'000'000));
}

}  // namespace
}  // namespace cpss::udpblast
