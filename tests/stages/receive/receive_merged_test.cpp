// The receive stage where one buffer holds several datagrams that the kernel has merged.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stages/receive/receive.h"
#include "tests/stages/rig.h"
#include "tests/support/forwarding_socket.h"

namespace cpss {
namespace {

using test::address;
using test::CallService;
using test::Rig;
using test::RigOptions;
using testing::ElementsAre;
using testing::IsEmpty;

class ReceiveMergedTest : public testing::Test {
 protected:
  // A forced end: main takes the three datagrams that wait for slots, and two messages in slots.
  static void take_three_and_two(Rig& rig) {
    EXPECT_EQ(rig.take_away_held(), 3u);
    EXPECT_EQ(rig.seize_all(), 2u);
    rig.expect_ledger();
    EXPECT_EQ(rig.ledger.in_flight(), 0u);
  }

  CallService echo_{test::echo};
};

TEST_F(ReceiveMergedTest, AnExactMultipleIsSoManyMessagesInOrder) {
  Rig rig(echo_);
  rig.deliver_merged("aabbccdd", 2);
  EXPECT_EQ(rig.receive.run().moved, 4u);
  EXPECT_EQ(rig.total(Counter::received), 4u);
  EXPECT_THAT(rig.final_replies(), ElementsAre("aa", "bb", "cc", "dd"));
}

TEST_F(ReceiveMergedTest, TheLastSegmentMayBeShorter) {
  Rig rig(echo_);
  rig.deliver_merged("aaabbbc", 3);
  EXPECT_THAT(rig.final_replies(), ElementsAre("aaa", "bbb", "c"));
  EXPECT_EQ(rig.total(Counter::received), 3u);
}

TEST_F(ReceiveMergedTest, OneSegmentIsOneMessage) {
  Rig rig(echo_);
  rig.deliver_merged("aaa", 3);
  rig.deliver_merged("b", 3);
  EXPECT_THAT(rig.final_replies(), ElementsAre("aaa", "b"));
}

TEST_F(ReceiveMergedTest, SegmentsWithoutASlotWaitAndCountAsInFlight) {
  Rig rig(echo_, {.slots = 3});
  rig.deliver_merged("a1a2a3a4a5a6a7", 2);
  rig.socket().end_batch();
  rig.deliver("later");
  EXPECT_EQ(rig.receive.run().moved, 3u);
  EXPECT_EQ(rig.total(Counter::received), 7u);
  rig.expect_ledger(4);
  EXPECT_EQ(rig.receive.run(), (RunResult{0, Next::need_slot}));
  EXPECT_EQ(rig.socket().counts().receive_calls, 1u)
      << "nothing is received before they have slots";

  rig.service.run();
  rig.response.run();
  EXPECT_EQ(rig.receive.run().moved, 3u);
  rig.expect_ledger(1);
  EXPECT_EQ(rig.socket().counts().receive_calls, 1u);

  EXPECT_THAT(rig.final_replies(), ElementsAre("a1", "a2", "a3", "a4", "a5", "a6", "a7", "later"));
}

TEST_F(ReceiveMergedTest, SeveralMergedBuffersOfOneBatchKeepTheirOrder) {
  for (const std::uint32_t slots : {2u, 3u, 4u, 5u, 8u}) {
    Rig rig(echo_, {.slots = slots});
    rig.deliver_merged("a1a2a3a4a5", 2);
    rig.deliver_merged("b1b2b3b", 2);
    std::vector<std::string> of_a, of_b;
    for (const std::string& reply : rig.final_replies())
      (reply[0] == 'a' ? of_a : of_b).push_back(reply);
    EXPECT_THAT(of_a, ElementsAre("a1", "a2", "a3", "a4", "a5")) << slots;
    EXPECT_THAT(of_b, ElementsAre("b1", "b2", "b3", "b")) << slots;
    EXPECT_EQ(rig.total(Counter::received), 9u);
  }
}

TEST_F(ReceiveMergedTest, TokensWaitedForServeLeftoversFirst) {
  Rig rig(echo_, {.slots = 1});
  rig.deliver_merged("a1a2", 2);
  rig.deliver("later");
  rig.run_each_once();
  rig.response.before_wait();
  rig.receive_lane.cache.keep(rig.pool.free_slots().try_take(1));
  EXPECT_EQ(rig.receive.run().moved, 1u);
  rig.expect_ledger();
  EXPECT_EQ(rig.socket().counts().receive_calls, 1u);
  EXPECT_THAT(rig.final_replies(), ElementsAre("a1", "a2", "later"));
}

// A cut buffer ends inside its last datagram; the others are whole.
TEST_F(ReceiveMergedTest, ATruncatedBufferLosesItsLastDatagramOnly) {
  Rig rig(echo_);
  rig.deliver_merged("aabbc", 2, true);
  EXPECT_THAT(rig.final_replies(), ElementsAre("aa", "bb"));
  EXPECT_EQ(rig.total(Counter::received), 3u);
  EXPECT_EQ(rig.total(Reason::invalid_truncated), 1u);
}

TEST_F(ReceiveMergedTest, ATruncatedBufferOfOneOrTwoSegments) {
  Rig rig(echo_);
  rig.deliver_merged("aab", 2, true);
  rig.deliver_merged("d", 2, true);
  EXPECT_THAT(rig.final_replies(), ElementsAre("aa"));
  EXPECT_EQ(rig.total(Counter::received), 3u);
  EXPECT_EQ(rig.total(Reason::invalid_truncated), 2u);
}

TEST_F(ReceiveMergedTest, ATruncatedBufferWithTooFewSlots) {
  Rig rig(echo_, {.slots = 2});
  rig.deliver_merged("aabbccddee", 2, true);
  rig.receive.run();
  rig.expect_ledger(3);
  EXPECT_THAT(rig.final_replies(), ElementsAre("aa", "bb", "cc", "dd"));
  EXPECT_EQ(rig.total(Counter::received), 5u);
  EXPECT_EQ(rig.total(Reason::invalid_truncated), 1u);
}

TEST_F(ReceiveMergedTest, ARefusedBufferIsRefusedDatagramByDatagram) {
  Rig rig(echo_, {.slots = 2, .access_control = test::allowing("198.51.100.0", 24)});
  rig.deliver_merged("aabbcc", 2);
  EXPECT_THAT(rig.final_replies(), IsEmpty());
  EXPECT_EQ(rig.total(Counter::received), 3u);
  EXPECT_EQ(rig.total(Reason::refused_not_allowed), 3u);
}

// The slot of a refused arrival is used for segments of the next one.
TEST_F(ReceiveMergedTest, SlotsOfRefusedArrivalsAreUsedByOthers) {
  Rig rig(echo_, {.slots = 3, .access_control = test::allowing("192.0.2.0", 24)});
  rig.deliver("stranger", address("198.51.100.1", 4000));
  rig.deliver("stranger", address("198.51.100.1", 4000));
  rig.deliver_merged("aabbcc", 2);
  EXPECT_EQ(rig.receive.run().moved, 5u);
  rig.expect_ledger();
  EXPECT_THAT(rig.final_replies(), ElementsAre("aa", "bb", "cc"));
}

TEST_F(ReceiveMergedTest, EverySegmentKnowsPeerPortAndLocalAddress) {
  Rig rig(echo_, {.slots = 2, .sockets = 2});
  FakeSocket::Incoming incoming = test::incoming("aabbcc", test::client(9));
  incoming.segment_size = 2;
  incoming.local = {IpAddress::parse("203.0.113.7").value(), 0};
  rig.socket(1).deliver(incoming);
  rig.finish();
  const auto sent = rig.socket(1).take_sent();
  ASSERT_EQ(sent.size(), 3u);
  for (const FakeSocket::Sent& reply : sent) {
    EXPECT_EQ(reply.peer, incoming.peer);
    EXPECT_EQ(reply.local, incoming.local);
  }
}

// A forced end: main takes the messages in slots and the datagrams that wait for one from a lane
// that is inside a service. The lane ends those that wait itself if it is first.
TEST_F(ReceiveMergedTest, SegmentsThatWaitAtAForcedEndEndWithIt) {
  Rig rig(echo_, {.slots = 2});
  rig.deliver_merged("a1a2a3a4a5", 2);
  EXPECT_EQ(rig.receive.run().moved, 2u);
  rig.expect_ledger(3);
  rig.pool.free_slots().close();
  EXPECT_EQ(rig.receive.run().moved, 0u);
  EXPECT_EQ(rig.total(Reason::failed_forced_end), 3u);
  rig.expect_ledger();
  EXPECT_EQ(rig.seize_all(), 2u);
  EXPECT_EQ(rig.total(Reason::failed_forced_end), 5u);
  rig.expect_ledger();
  EXPECT_EQ(rig.total(Counter::filled), rig.total(Counter::given_back)) << "nothing is inside";
  EXPECT_EQ(rig.take_away_held(), 0u) << "the lane was first";
}

TEST_F(ReceiveMergedTest, SegmentsThatWaitAtAForcedEndAreTakenFromALaneThatStands) {
  Rig rig(echo_, {.slots = 2});
  rig.deliver_merged("a1a2a3a4a5", 2);
  rig.socket().end_batch();
  rig.deliver("later");
  EXPECT_EQ(rig.receive.run().moved, 2u);
  rig.pool.free_slots().close();
  take_three_and_two(rig);

  // The lane comes back, for instance from a service.
  EXPECT_EQ(rig.receive.run().moved, 0u);
  EXPECT_EQ(rig.take_away_held(), 0u);
  rig.expect_ledger();
  EXPECT_EQ(rig.total(Reason::failed_forced_end), 5u);
  EXPECT_EQ(rig.total(Counter::received), 5u) << "nothing is read after that";
}

// Calls `meanwhile` inside each call of receive().
class WatchedSocket final : public ForwardingSocket {
 public:
  WatchedSocket(DatagramSocket& inner, std::function<void()> meanwhile)
      : ForwardingSocket(inner), meanwhile_(std::move(meanwhile)) {}
  ReceiveResult receive(std::span<const ReceiveBuffer> buffers,
                        std::span<Arrival> arrivals) noexcept override {
    const ReceiveResult result = ForwardingSocket::receive(buffers, arrivals);
    meanwhile_();
    return result;
  }

 private:
  std::function<void()> meanwhile_;
};

// Main must not close the ledger while a lane has datagrams that it has not counted yet.
TEST_F(ReceiveMergedTest, AForcedEndDuringAReceiveWaitsForIt) {
  Rig* main = nullptr;
  int asked = 0;
  RigOptions options;
  options.slots = 2;
  options.wrap = [&](FakeSocket& socket) {
    return std::make_unique<WatchedSocket>(socket, [&] {
      main->pool.free_slots().close();
      EXPECT_EQ(main->take_away_held(), std::nullopt);
      ++asked;
    });
  };
  Rig rig(echo_, std::move(options));
  main = &rig;
  rig.deliver_merged("a1a2a3a4a5", 2);
  EXPECT_EQ(rig.receive.run().moved, 2u);
  EXPECT_EQ(asked, 1);
  take_three_and_two(rig);
  EXPECT_EQ(rig.receive.run().moved, 0u);
  rig.expect_ledger();
  EXPECT_EQ(rig.total(Reason::failed_forced_end), 5u);
  EXPECT_EQ(rig.ledger.in_flight(), 0u);
}

}  // namespace
}  // namespace cpss
