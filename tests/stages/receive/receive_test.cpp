#include "stages/receive/receive.h"

#include <cerrno>
#include <chrono>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/stages/rig.h"
#include "tests/support/eventually.h"

namespace cpss {
namespace {

using test::address;
using test::CallService;
using test::client;
using test::has_error;
using test::numbers;
using test::Rig;
using testing::ElementsAre;
using testing::IsEmpty;

class ReceiveTest : public testing::Test {
 protected:
  std::uint32_t free_slots(Rig& rig) { return rig.pool.free_slots().value_guess(); }
  // Takes all messages out of the request queue, without the service.
  std::vector<std::uint32_t> take_requests(Rig& rig) {
    return test::take_from(rig.requests, rig.store.slots());
  }

  CallService echo_{test::echo};
};

TEST_F(ReceiveTest, NothingToReadIsNoWorkAndKeepsNoSlot) {
  Rig rig(echo_);
  EXPECT_EQ(rig.receive.run(), RunResult{});
  EXPECT_EQ(rig.total(Counter::received), 0u);
  EXPECT_EQ(rig.total(Counter::batches), 0u);
  rig.expect_at_rest();
}

TEST_F(ReceiveTest, ADatagramBecomesAMessage) {
  Rig rig(echo_);
  rig.deliver("hello", client(3));
  EXPECT_EQ(rig.receive.run().moved, 1u);
  rig.expect_ledger();
  const auto slots = take_requests(rig);
  ASSERT_EQ(slots.size(), 1u);
  const SlotHeader& header = rig.store.header(slots[0]);
  EXPECT_EQ(header.peer, client(3));
  EXPECT_EQ(header.request_length, 5u);
  EXPECT_EQ(header.socket_index, 0u);
  EXPECT_FALSE(header.trusted);
  EXPECT_FALSE(header.has_local);
  EXPECT_GT(header.published_ns, 0u);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(rig.store.request(slots[0])), 5), "hello");
  EXPECT_TRUE(rig.store.holds(rig.store.message_in(slots[0])));
}

TEST_F(ReceiveTest, EmptyDatagramIsNotTheEndAndNotAnswered_A01) {
  Rig rig(echo_);
  rig.deliver("");
  rig.deliver("after");
  EXPECT_THAT(rig.final_replies(), ElementsAre("after"));
  EXPECT_EQ(rig.total(Reason::invalid_empty), 1u);
}

TEST_F(ReceiveTest, LargerThanTheWindowIsNeverAShortValidMessage_A03) {
  Rig rig(echo_, {.window = 8});
  rig.deliver("1234567");
  rig.deliver("12345678");
  rig.deliver("123456789");
  EXPECT_THAT(rig.final_replies(), ElementsAre("1234567", "12345678"));
  EXPECT_EQ(rig.total(Reason::invalid_truncated), 1u);
  EXPECT_EQ(rig.total(Counter::received), 3u);
}

TEST_F(ReceiveTest, MoreDatagramsThanSlotsWaitInTheKernel) {
  Rig rig(echo_, {.slots = 3});
  rig.deliver_numbers(5);
  EXPECT_EQ(rig.receive.run().moved, 3u);
  EXPECT_EQ(rig.total(Counter::received), 3u);
  EXPECT_EQ(rig.receive.run(), (RunResult{0, Next::need_slot}));
  EXPECT_EQ(rig.socket().counts().receive_calls, 1u) << "without a slot nothing is read";
  rig.expect_ledger();
  EXPECT_EQ(rig.final_replies(), numbers(0, 4));
}

TEST_F(ReceiveTest, TokensWaitedForAreUsedByTheNextRun) {
  Rig rig(echo_, {.slots = 2});
  rig.deliver_numbers(4);
  rig.receive.run();
  ASSERT_EQ(rig.receive.run().next, Next::need_slot);
  rig.service.run();
  rig.response.run();
  rig.response.before_wait();
  const std::uint32_t tokens = rig.pool.free_slots().try_take(2);
  ASSERT_EQ(tokens, 2u);
  rig.receive_lane.cache.keep(tokens);
  EXPECT_EQ(rig.receive.run(), (RunResult{2, Next::again}));
  EXPECT_EQ(rig.final_replies(), numbers(0, 3));
}

TEST_F(ReceiveTest, TokensThatTurnOutUnneededAreGivenBackInTheSameRun) {
  Rig rig(echo_, {.slots = 4});
  rig.receive_lane.cache.keep(rig.pool.free_slots().try_take(3));
  EXPECT_EQ(free_slots(rig), 1u);
  EXPECT_EQ(rig.receive.run().moved, 0u);
  EXPECT_EQ(free_slots(rig), 4u);
  rig.expect_at_rest();
}

TEST_F(ReceiveTest, UnusedSlotsAreGivenBackInTheSameRun) {
  Rig rig(echo_, {.slots = 8});  // too few for a cache
  rig.deliver("one");
  EXPECT_EQ(rig.receive.run().moved, 1u);
  EXPECT_EQ(free_slots(rig), 7u);
}

TEST_F(ReceiveTest, AWaitingLaneKeepsNoSlotInItsCache) {
  Rig rig(echo_, {.slots = 1024});
  rig.deliver("one");
  EXPECT_EQ(rig.receive.run().moved, 1u);
  EXPECT_LT(free_slots(rig), 1023u) << "the cache is used";
  rig.receive.before_wait();
  EXPECT_EQ(free_slots(rig), 1023u);
}

TEST_F(ReceiveTest, EverySocketInTurnABatchAtATime) {
  Rig rig(echo_, {.batch = 2, .sockets = 3});
  for (std::size_t p = 0; p < 3; ++p)
    for (int i = 0; i < 5; ++i) rig.deliver(std::to_string(p) + std::to_string(i), client(), p);
  EXPECT_EQ(rig.receive.run().moved, 6u);
  EXPECT_EQ(rig.receive.run().moved, 6u);
  EXPECT_EQ(rig.receive.run().moved, 3u);
  for (const std::uint32_t slot : take_requests(rig)) {
    const SlotHeader& header = rig.store.header(slot);
    const char first = static_cast<char>(rig.store.request(slot)[0]);
    EXPECT_EQ(header.socket_index, static_cast<unsigned>(first - '0'));
  }
  rig.expect_ledger();
}

// The first socket alone could use all slots; the one behind it must get its turn too.
TEST_F(ReceiveTest, ASocketThatFoundNoSlotIsServedFirstNextTime) {
  for (const std::size_t sockets : {2u, 3u}) {
    Rig rig(echo_, {.slots = 1, .sockets = sockets});
    constexpr unsigned kEach = 20;
    for (std::size_t p = 0; p < sockets; ++p)
      for (unsigned i = 0; i < kEach; ++i) rig.deliver("x", client(i), p);
    std::vector<std::uint64_t> answered(sockets);
    for (unsigned round = 0; round < sockets * kEach / 2; ++round) {
      rig.run_each_once();
    }
    for (std::size_t p = 0; p < sockets; ++p)
      EXPECT_EQ(rig.replies(p).size(), kEach / 2) << "port " << p << " of " << sockets;
    rig.finish();
  }
}

TEST_F(ReceiveTest, ReceiveErrorsAreCountedAndChargedToNoMessage_A15) {
  for (const int error : {ECONNREFUSED, ENOMEM, ENETDOWN, EINTR, EBADF}) {
    Rig rig(echo_);
    rig.deliver("before");
    rig.socket().end_batch();
    rig.socket().fail_receive(error);
    rig.deliver("after");
    EXPECT_THAT(rig.final_replies(), ElementsAre("before", "after")) << error;
    EXPECT_EQ(rig.total(Counter::receive_errors), 1u);
    EXPECT_EQ(rig.total(Counter::received), 2u);
    EXPECT_THAT(rig.events(), ElementsAre(has_error(EventKind::receive_error, error)));
  }
}

// A lane that is to stop ends after its first run without work, so an error before the last
// datagrams must not look like an empty socket.
TEST_F(ReceiveTest, APendingErrorDoesNotHideTheDatagramsBehindIt) {
  Rig rig(echo_);
  rig.socket().fail_receive(ECONNREFUSED);
  rig.deliver("hidden");
  EXPECT_EQ(rig.receive.run().moved, 1u);
  EXPECT_THAT(rig.final_replies(), ElementsAre("hidden"));
}

TEST_F(ReceiveTest, ASocketThatFailsForEverDoesNotTrapTheLane) {
  Rig rig(echo_, {.sockets = 2});
  for (int i = 0; i < 1000; ++i) rig.socket(0).fail_receive(EBADF);
  rig.deliver("alive", client(), 1);
  EXPECT_EQ(rig.receive.run().moved, 1u);
  EXPECT_EQ(rig.receive.run().moved, 0u);
  EXPECT_LT(rig.total(Counter::receive_errors), 10u);
  rig.service.run();
  rig.response.run();
  EXPECT_THAT(rig.replies(1), ElementsAre("alive"));
  rig.expect_at_rest();
}

// The pauses grow however often the lane comes round, and whatever other sockets bring. Else a
// lasting error would be all that the lane works at, and in the real-time class all that its CPU
// does.
TEST_F(ReceiveTest, ASocketThatFailsIsLeftAloneForLongerAndLonger) {
  Rig rig(echo_, {.sockets = 2});
  for (int i = 0; i < 10'000; ++i) rig.socket(0).fail_receive(ENOMEM);
  const auto begin = std::chrono::steady_clock::now();
  unsigned answered = 0;
  while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(300)) {
    rig.deliver("alive", client(), 1);
    rig.run_each_once();
    answered += static_cast<unsigned>(rig.replies(1).size());
  }
  EXPECT_GT(answered, 10u);
  EXPECT_EQ(rig.total(Reason::answered), answered);
  // After each pause of 1, 2, 4 ... 256 ms the lane tries again, with two calls.
  EXPECT_GE(rig.total(Counter::receive_errors), 2u);
  EXPECT_LE(rig.total(Counter::receive_errors), 2u * 10);
  EXPECT_TRUE(rig.receive.failing_sockets().fails(0));
  EXPECT_FALSE(rig.receive.failing_sockets().fails(1));
  ASSERT_TRUE(rig.receive_lane.troubles.look(Trouble::receive));
  EXPECT_EQ(rig.receive_lane.troubles.look(Trouble::receive)->number, ENOMEM);
  rig.expect_at_rest();
}

TEST_F(ReceiveTest, OneThatNoLongerFailsIsReadAsBefore) {
  Rig rig(echo_);
  for (int i = 0; i < 2 * 5; ++i) rig.socket().fail_receive(ENOBUFS);
  rig.deliver("after");
  ASSERT_TRUE(eventually([&] {
    rig.receive.run();
    return rig.socket().all_received();
  }));
  EXPECT_THAT(rig.final_replies(), ElementsAre("after"));
  EXPECT_EQ(rig.total(Counter::receive_errors), 2u * 5);
  EXPECT_FALSE(rig.receive.failing_sockets().fails(0));
  EXPECT_EQ(rig.receive.failing_sockets().next_try(), kNoDeadline);
  EXPECT_FALSE(rig.receive_lane.troubles.look(Trouble::receive)) << "it is over";
}

// A lane that is to stop must try all sockets: it will not come to look again.
TEST_F(ReceiveTest, AllAreTriedAtOnceWhenTheLaneIsToStop) {
  Rig rig(echo_);
  for (int i = 0; i < 2 * 14; ++i) rig.socket().fail_receive(ENOMEM);
  // After these failures its pause is the longest.
  for (std::uint64_t i = 1; i <= 14; ++i) {
    rig.receive.failing_sockets().end_pauses();
    EXPECT_EQ(rig.receive.run().moved, 0u);
    EXPECT_EQ(rig.total(Counter::receive_errors), 2 * i);
  }
  EXPECT_NE(rig.receive.failing_sockets().next_try(), kNoDeadline);
  rig.deliver("hidden");
  EXPECT_EQ(rig.receive.run().moved, 0u) << "it pauses";
  rig.receive.failing_sockets().end_pauses();
  EXPECT_EQ(rig.receive.run().moved, 1u);
  rig.finish();
}

TEST_F(ReceiveTest, RefusedDatagramsUseNoSlotAndAreNotAnswered) {
  Rig rig(echo_, {.slots = 2, .access_control = test::allowing("192.0.2.0", 24)});
  rig.deliver("stranger", address("198.51.100.1", 4000));
  rig.deliver("port 0", address("192.0.2.1", 0));
  rig.deliver("friend");
  EXPECT_THAT(rig.final_replies(), ElementsAre("friend"));
  EXPECT_EQ(rig.total(Reason::refused_not_allowed), 1u);
  EXPECT_EQ(rig.total(Reason::refused_source_port_zero), 1u);
  EXPECT_EQ(rig.total(Counter::received), 3u);
}

TEST_F(ReceiveTest, GroupDestinationIsRefused_A08) {
  Rig rig(echo_);
  FakeSocket::Incoming to_all = test::incoming("to all");
  to_all.to_group = true;
  rig.socket().deliver(to_all);
  EXPECT_THAT(rig.final_replies(), IsEmpty());
  EXPECT_EQ(rig.total(Reason::refused_group_address), 1u);
}

TEST_F(ReceiveTest, TrustIsDecidedForEachPeer) {
  std::vector<bool> seen;
  CallService service([&](Message& message) {
    seen.push_back(message.trusted());
    message.no_reply();
  });
  Rig rig(service, {.slots = 1, .access_control = test::trusting("127.0.0.0", 8)});
  rig.deliver("a", address("127.0.0.1", 4000));
  rig.deliver("b", client());
  rig.deliver("c", address("127.0.0.2", 4000));
  rig.finish();
  EXPECT_THAT(seen, ElementsAre(true, false, true)) << "the one slot's former use must not show";
}

TEST_F(ReceiveTest, TheReplyLeavesFromTheAddressAskedAndNoOtherMessageInheritsIt_A09) {
  Rig rig(echo_, {.slots = 1});
  FakeSocket::Incoming asked = test::incoming("asked");
  asked.local = {IpAddress::parse("203.0.113.7").value(), 3};
  rig.socket().deliver(asked);
  rig.deliver("plain");
  rig.finish();
  const auto sent = rig.socket().take_sent();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].local, asked.local);
  EXPECT_EQ(sent[1].local, LocalAddress{}) << "left over from the slot's former use";
}

TEST_F(ReceiveTest, TimesAndBatchesAreBookedForWorkOnly) {
  Rig rig(echo_);
  rig.receive.run();
  EXPECT_EQ(rig.total(Counter::syscalls), 1u);
  EXPECT_GT(rig.total(Counter::syscall_ns), 0u) << "a call that found nothing took its time too";
  EXPECT_EQ(rig.ledger.recorded(HistogramId::batch), 0u);
  for (int i = 0; i < 3; ++i) rig.deliver("x");
  rig.receive.run();
  EXPECT_EQ(rig.total(Counter::batches), 1u);
  EXPECT_EQ(rig.ledger.recorded(HistogramId::batch), 1u);
  EXPECT_EQ(rig.ledger.recorded(HistogramId::service_ns), 3u);
  EXPECT_EQ(rig.ledger.recorded(HistogramId::cost_ns), 3u);
  EXPECT_EQ(rig.total(Counter::entered), 3u);
  EXPECT_EQ(rig.total(Counter::forwarded), 3u);
}

// Small batches in a row make a lane try pauses.
TEST_F(ReceiveTest, WhereItIsToldToItPausesBetweenSmallBatches) {
  for (const bool coalesces : {false, true}) {
    Rig rig(echo_, {.coalesces = coalesces});
    bool paused = false;
    for (int run = 0; run < 20'000 && !paused; ++run) {
      for (int i = 0; i < 3; ++i) rig.deliver("hello");
      const RunResult result = rig.receive.run();
      EXPECT_EQ(result.moved, 3u);
      paused = result.next == Next::coalesce;
      EXPECT_EQ(result.next, paused ? Next::coalesce : Next::again);
      ASSERT_TRUE(rig.settle());
    }
    EXPECT_EQ(paused, coalesces);
    EXPECT_EQ(rig.receive.run().next, Next::empty) << "with nothing to read the lane waits";
    rig.expect_at_rest();
  }
}

// --- the wiring of other models' lanes ---

class ReceiveStepTest : public ReceiveTest {
 protected:
  ReceiveStep::Wiring wiring() {
    return {{&rig_.socket(0), &rig_.socket(1)},
            rig_.store,
            rig_.pool,
            rig_.requests,
            access_control_,
            4,
            1};
  }
  ReceiveStep step_of(ReceiveStep::Wiring wiring) {
    return {std::move(wiring), lane_, rig_.ledger.open()};
  }
  void deliver_to_both(int each) {
    for (int i = 0; i < each; ++i)
      for (std::size_t socket = 0; socket < 2; ++socket) rig_.deliver("x", client(), socket);
  }

  Rig rig_{echo_, {.sockets = 2}};
  LaneContext lane_{rig_.pool, 0, 4};
  AccessControl access_control_{test::open_access()};
};

TEST_F(ReceiveStepTest, ARunGoesRoundAllSockets) {
  ReceiveStep step = step_of(wiring());
  deliver_to_both(3);
  EXPECT_EQ(step.run().moved, 6u);
}

TEST_F(ReceiveStepTest, WhereItIsToldToARunEndsWithItsFirstBatchAndTheNextGoesOnBehindIt) {
  ReceiveStep::Wiring one_batch = wiring();
  one_batch.one_batch = true;
  ReceiveStep step = step_of(one_batch);
  deliver_to_both(3);
  for (std::size_t socket = 0; socket < 2; ++socket) {
    EXPECT_EQ(step.run().moved, 3u);
    const auto slots = take_requests(rig_);
    ASSERT_EQ(slots.size(), 3u);
    for (const std::uint32_t slot : slots) EXPECT_EQ(rig_.store.header(slot).socket_index, socket);
  }
  EXPECT_EQ(step.run().moved, 0u);
  rig_.deliver("x", client(), 1);
  EXPECT_EQ(step.run().moved, 1u) << "an empty socket is no batch";
}

TEST_F(ReceiveStepTest, MessagesNameTheirSocketByItsPlaceInTheServersList) {
  ReceiveStep::Wiring second_group = wiring();
  second_group.first_socket = 2;
  ReceiveStep step = step_of(second_group);
  deliver_to_both(1);
  EXPECT_EQ(step.run().moved, 2u);
  std::vector<unsigned> sockets;
  for (const std::uint32_t slot : take_requests(rig_))
    sockets.push_back(rig_.store.header(slot).socket_index);
  EXPECT_THAT(sockets, ElementsAre(2u, 3u));
}

TEST_F(ReceiveStepTest, AfterTheSignNothingMoreIsRead) {
  StopReading leave;
  ReceiveStep::Wiring leaving = wiring();
  leaving.stop_reading = &leave;
  ReceiveStep step = step_of(leaving);
  deliver_to_both(1);
  EXPECT_EQ(step.run().moved, 2u);
  deliver_to_both(1);
  leave.give();
  EXPECT_EQ(step.run(), RunResult{});
  EXPECT_FALSE(rig_.socket().all_received());
  EXPECT_EQ(rig_.total(Counter::received), 2u);
}

// The datagrams were received, so the next server cannot read them.
TEST_F(ReceiveStepTest, AfterTheSignWhatTheLaneHoldsStillGoesOn) {
  StopReading leave;
  ReceiveStep::Wiring leaving = wiring();
  leaving.merged = true;
  leaving.stop_reading = &leave;
  ReceiveStep step = step_of(leaving);
  rig_.deliver_merged("abcdef", 1);
  EXPECT_EQ(step.run().moved, 4u) << "a batch";
  rig_.deliver("unread");
  leave.give();
  EXPECT_EQ(step.run().moved, 2u);
  EXPECT_EQ(step.run().moved, 0u);
  EXPECT_FALSE(rig_.socket().all_received());
  EXPECT_EQ(rig_.total(Counter::received), 6u);
  rig_.expect_ledger();
}

TEST_F(ReceiveStepTest, ARaceIsLostByWhoWasWokenForASocketAndReadNothing) {
  ReceiveStep step = step_of(wiring());
  step.run();
  EXPECT_EQ(rig_.total(Counter::lost_races), 0u) << "nobody has woken it";

  lane_.woken_by_socket = true;
  step.run();
  EXPECT_EQ(rig_.total(Counter::lost_races), 1u);
  step.run();
  EXPECT_EQ(rig_.total(Counter::lost_races), 1u) << "one wake-up, one race";

  rig_.deliver("x", client(), 1);
  lane_.woken_by_socket = true;
  EXPECT_EQ(step.run().moved, 1u);
  EXPECT_EQ(step.run().moved, 0u);
  EXPECT_EQ(rig_.total(Counter::lost_races), 1u) << "the first run after it counts";
}

TEST_F(ReceiveStepTest, WithoutASlotNoRaceIsLost) {
  ReceiveStep step = step_of(wiring());
  std::vector<std::uint32_t> all(rig_.store.slots());
  ASSERT_EQ(rig_.response_lane.cache.claim(all), all.size());
  lane_.woken_by_socket = true;
  ASSERT_EQ(step.run(), (RunResult{0, Next::need_slot}));
  EXPECT_EQ(rig_.total(Counter::lost_races), 0u);
  rig_.response_lane.cache.give_back(all);
}

}  // namespace
}  // namespace cpss
