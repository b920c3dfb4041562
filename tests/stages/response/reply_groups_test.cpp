#include "stages/response/reply_groups.h"

#include <deque>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/segmentation.h"
#include "tests/stages/rig.h"

namespace cpss {
namespace {

using test::client;
using testing::ElementsAre;

class ReplyGroupsTest : public testing::Test {
 protected:
  static constexpr std::size_t kBatch = 64;

  void add(unsigned peer, std::size_t size, const LocalAddress* local = nullptr) {
    peers_.push_back(client(peer));
    replies_.push_back({nullptr, size, &peers_.back(), local});
    messages_.push_back({{static_cast<std::uint32_t>(messages_.size()), 7}});
  }
  // Groups the replies and returns their numbers in the new order.
  std::vector<std::uint32_t> gathered() {
    groups_.gather(replies_, messages_);
    std::vector<std::uint32_t> order;
    for (std::size_t i = 0; i < messages_.size(); ++i) {
      order.push_back(messages_[i].message.slot);
      EXPECT_EQ(replies_[i].peer, &peers_[messages_[i].message.slot]) << "they stay together";
      EXPECT_EQ(messages_[i].message.generation, 7u);
    }
    return order;
  }

  ReplyGroups groups_{kBatch};
  std::deque<SocketAddress> peers_;
  std::vector<OutgoingDatagram> replies_;
  std::vector<PendingReply> messages_;
};

TEST_F(ReplyGroupsTest, NothingAndOne) {
  EXPECT_THAT(gathered(), ElementsAre());
  add(1, 10);
  EXPECT_THAT(gathered(), ElementsAre(0));
}

TEST_F(ReplyGroupsTest, OnePeerStaysAsItIs) {
  for (int i = 0; i < 4; ++i) add(1, 10);
  EXPECT_THAT(gathered(), ElementsAre(0, 1, 2, 3));
}

TEST_F(ReplyGroupsTest, PeersInTurnAreBroughtTogether) {
  for (int i = 0; i < 6; ++i) add(static_cast<unsigned>(i % 3), 10);
  EXPECT_THAT(gathered(), ElementsAre(0, 3, 1, 4, 2, 5));
}

TEST_F(ReplyGroupsTest, LengthsToo) {
  add(1, 10);
  add(1, 20);
  add(1, 10);
  add(1, 20);
  EXPECT_THAT(gathered(), ElementsAre(0, 2, 1, 3));
}

TEST_F(ReplyGroupsTest, AndLocalAddresses) {
  const LocalAddress here{IpAddress::parse("198.51.100.1").value(), 0};
  const LocalAddress there{IpAddress::parse("198.51.100.2").value(), 0};
  add(1, 10, &here);
  add(1, 10, &there);
  add(1, 10, &here);
  add(1, 10);
  add(1, 10, &there);
  EXPECT_THAT(gathered(), ElementsAre(0, 2, 1, 4, 3));
}

// Checks the purpose: as few packets as there are groups, and the order inside each kept.
TEST_F(ReplyGroupsTest, RandomBatches) {
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    peers_.clear();
    replies_.clear();
    messages_.clear();
    const std::size_t count = random() % (kBatch + 1);
    std::map<std::pair<unsigned, std::size_t>, std::vector<std::uint32_t>> expected;
    for (std::uint32_t i = 0; i < count; ++i) {
      const unsigned peer = static_cast<unsigned>(random() % 8);
      const std::size_t size = 10 + random() % 3;
      add(peer, size);
      expected[{peer, size}].push_back(i);
    }
    const std::vector<std::uint32_t> order = gathered();
    std::map<std::pair<unsigned, std::size_t>, std::vector<std::uint32_t>> found;
    std::size_t changes = 0;
    for (std::size_t i = 0; i < order.size(); ++i) {
      found[{replies_[i].peer->port() - 20'000U, replies_[i].size}].push_back(order[i]);
      if (i > 0 && (replies_[i].size != replies_[i - 1].size ||
                    !leaves_the_same_way(replies_[i], replies_[i - 1])))
        ++changes;
    }
    ASSERT_EQ(found, expected);
    ASSERT_EQ(changes + (count > 0 ? 1 : 0), expected.size());
  }
}

}  // namespace
}  // namespace cpss
