// Replies that find no room in their socket: which of them wait, for how long, and which go on.
#include <cerrno>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "stages/lane/queue_wait.h"
#include "stages/response/response.h"
#include "tests/stages/known_peers.h"
#include "tests/stages/rig.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;
using test::CallService;
using test::numbers;
using test::Rig;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::size_t kBatch = 16;

// Tests a step of its own beside the rig's, with as many sockets as the rig.
class ResponseWaitTest : public testing::Test {
 protected:
  explicit ResponseWaitTest(std::size_t sockets = 1, std::uint32_t slots = 1024,
                            std::chrono::nanoseconds longest = 60s,
                            const SendOutlook* outlook = nullptr)
      : rig_(echo_, {.slots = slots, .batch = kBatch, .sockets = sockets}),
        lane_(rig_.pool, 0, 4),
        step_(wiring(sockets, longest, outlook), lane_, rig_.ledger.open()) {}

  ResponseStep::Wiring wiring(std::size_t sockets, std::chrono::nanoseconds longest,
                              const SendOutlook* outlook) {
    std::vector<DatagramSocket*> all;
    for (std::size_t i = 0; i < sockets; ++i) all.push_back(&rig_.socket(i));
    return {.sockets = all,
            .store = rig_.store,
            .responses = rig_.responses,
            .cost = rig_.response_cost,
            .batch = kBatch,
            .lanes = 1,
            .longest_wait = longest,
            .reply_sockets = sockets,
            .outlook = outlook,
            .keeps_unsent = true};
  }

  // Puts `count` messages "0", "1", ... with replies into the response queue.
  void fill(int count, std::size_t socket = 0, int first = 0) {
    rig_.deliver_numbers(count, socket, first);
    rig_.receive_and_serve();
  }
  // Runs the step until it moves nothing more.
  void run_until_idle() {
    while (step_.run().moved > 0) {
    }
  }
  // fill_up(): the socket has no room from now on. make_room(): it has room again.
  void fill_up(std::size_t socket = 0) {
    rig_.socket(socket).refuse([](const OutgoingDatagram&) { return EAGAIN; });
  }
  void make_room(std::size_t socket = 0) { rig_.socket(socket).refuse({}); }
  // Takes messages from the response queue, for run_inline().
  std::vector<std::uint32_t> take(std::size_t count) {
    const std::vector<std::uint32_t> slots = test::take_from(rig_.responses, count);
    EXPECT_EQ(slots.size(), count);
    return slots;
  }
  std::uint64_t ended_without_room() const { return rig_.total(Reason::failed_send_no_room); }
  void expect_at_rest() {
    step_.before_wait();
    rig_.expect_at_rest();
    for (std::size_t p = 0; p < step_sockets_; ++p)
      EXPECT_EQ(rig_.socket(p).counts().wait_calls, 0u) << "a step does not wait";
  }

  // One run of the step takes or sends all `count` messages, and nothing is left inside. Returns
  // what the first socket has sent.
  std::vector<std::string> respond(std::size_t count) {
    EXPECT_EQ(step_.run().moved, count);
    expect_at_rest();
    return rig_.replies();
  }

  CallService echo_{test::echo};
  mutable Rig rig_;
  LaneContext lane_;
  ResponseStep step_;
  std::size_t step_sockets_ = 1;
};

TEST_F(ResponseWaitTest, WithRoomNobodyWaits) {
  fill(10);
  EXPECT_EQ(step_.run().moved, 10u);
  EXPECT_EQ(step_.full_socket(), nullptr);
  EXPECT_EQ(rig_.replies(), numbers(0, 9));
  EXPECT_EQ(step_.run().moved, 0u);
  EXPECT_EQ(rig_.socket().counts().use_calls, 0u);
  expect_at_rest();
}

TEST_F(ResponseWaitTest, WithoutRoomItNamesTheSocketAndSendsTheRestLater) {
  fill(10);
  rig_.socket().fail_send_at(4, EAGAIN);
  EXPECT_EQ(step_.run().moved, 10u) << "taken";
  EXPECT_EQ(step_.full_socket(), &rig_.socket());
  EXPECT_EQ(lane_.full, &rig_.socket()) << "where the lane waits has to know it";
  EXPECT_EQ(rig_.ledger.in_flight(), 6u) << "what was sent is given back at once";
  rig_.expect_ledger();

  rig_.socket().fail_sends(EAGAIN);
  EXPECT_EQ(step_.run().moved, 0u);
  EXPECT_EQ(step_.full_socket(), &rig_.socket());

  rig_.socket().fail_send_at(1, EAGAIN);
  EXPECT_EQ(step_.run().moved, 1u);
  EXPECT_EQ(step_.full_socket(), &rig_.socket());
  rig_.expect_ledger();

  EXPECT_EQ(respond(5), numbers(0, 9));
  EXPECT_EQ(step_.full_socket(), nullptr);
  EXPECT_EQ(lane_.full, nullptr);
  EXPECT_EQ(rig_.total(Reason::answered), 10u);
}

TEST_F(ResponseWaitTest, WhatComesMeanwhileGoesBehindWhatWaits) {
  fill(3);
  rig_.socket().fail_sends(EAGAIN);
  EXPECT_EQ(step_.run().moved, 3u);
  fill(4, 0, 3);
  EXPECT_EQ(respond(7), numbers(0, 6));
}

TEST_F(ResponseWaitTest, AllOfAListGoesOutWhenThereIsRoom) {
  fill_up();
  fill(60);
  run_until_idle();
  EXPECT_EQ(rig_.ledger.in_flight(), 60u);
  EXPECT_EQ(rig_.responses.ready_guess(), 0u);
  make_room();
  EXPECT_EQ(respond(60), numbers(0, 59)) << "more than a batch";
  EXPECT_EQ(step_.full_socket(), nullptr);
}

// The list has room for an eighth of the 1024 slots; half of it is for replies that found no room.
TEST_F(ResponseWaitTest, WithOneSocketItTakesNoMoreThanItsListHoldsAndLosesNothing) {
  fill_up();
  fill(300);
  run_until_idle();
  EXPECT_EQ(rig_.responses.ready_guess(), 300u - 64u);
  const std::vector<std::uint32_t> slots = take(2);
  EXPECT_EQ(step_.run_inline(slots, monotonic_ns()).size(), 2u) << "nor inline";
  SlotQueue::Producer(rig_.responses).put(slots);
  make_room();
  run_until_idle();
  EXPECT_THAT(rig_.replies(), SizeIs(300));
  EXPECT_EQ(rig_.total(Reason::answered), 300u);
  EXPECT_EQ(ended_without_room(), 0u);
  expect_at_rest();
}

TEST_F(ResponseWaitTest, ItRunsInlineWhileThereIsRoomInItsListAndKeepsWhatFindsNone) {
  fill_up();
  fill(2);
  EXPECT_EQ(step_.run().moved, 2u);
  fill(3, 0, 2);
  const std::uint64_t entered = rig_.total(Counter::entered);
  EXPECT_THAT(step_.run_inline(take(3), monotonic_ns()), IsEmpty());
  EXPECT_EQ(rig_.total(Counter::entered), entered + 3);
  EXPECT_EQ(rig_.ledger.in_flight(), 5u);
  make_room();
  EXPECT_EQ(respond(5), numbers(0, 4));
}

TEST_F(ResponseWaitTest, InlineOnALaneThatAnswersNotItselfItGivesBackAndKeepsNothing) {
  ResponseStep::Wiring not_its_own = wiring(1, 60s, nullptr);
  not_its_own.keeps_unsent = false;
  ResponseStep inline_step(not_its_own, lane_, rig_.ledger.open());
  fill(3);
  const std::vector<std::uint32_t> slots = take(3);
  rig_.socket().fail_send_at(1, EAGAIN);
  EXPECT_THAT(inline_step.run_inline(slots, monotonic_ns()), ElementsAre(slots[1], slots[2]));
  EXPECT_EQ(inline_step.full_socket(), nullptr) << "they are the caller's again";
  SlotQueue::Producer(rig_.responses).put(std::span(slots).subspan(1));
  EXPECT_EQ(respond(2), numbers(0, 2));
}

TEST_F(ResponseWaitTest, WithoutRoomWhatWasShedIsDropped) {
  fill(10);
  ASSERT_EQ(rig_.mark_as_shed(2), 5);
  rig_.socket().fail_send_at(3, EAGAIN);
  EXPECT_EQ(step_.run().moved, 10u);
  EXPECT_EQ(step_.full_socket(), &rig_.socket());
  EXPECT_EQ(rig_.total(Reason::shed_worker_queue_full), 5u) << "0, 2 and those that found none";
  EXPECT_EQ(rig_.ledger.in_flight(), 4u);
  rig_.expect_ledger();
  EXPECT_THAT(respond(4), ElementsAre("0", "1", "2", "3", "5", "7", "9"));
  EXPECT_EQ(rig_.total(Counter::busy_replies), 2u);
}

TEST_F(ResponseWaitTest, WhereAllThatFoundNoRoomWasShedNothingBlocks) {
  fill(4);
  ASSERT_EQ(rig_.mark_as_shed(1), 4);
  rig_.socket().fail_sends(EAGAIN);
  EXPECT_EQ(step_.run().moved, 4u);
  EXPECT_EQ(step_.full_socket(), nullptr);
  expect_at_rest();
}

TEST_F(ResponseWaitTest, AnErrorAmongWhatWaitsFailsThatOneAlone) {
  fill(5);
  rig_.socket().fail_sends(EAGAIN);
  EXPECT_EQ(step_.run().moved, 5u);
  rig_.socket().fail_send_at(2, EPERM);
  EXPECT_THAT(respond(5), ElementsAre("0", "1", "3", "4"));
  EXPECT_EQ(step_.full_socket(), nullptr);
  EXPECT_EQ(rig_.total(Reason::failed_send_not_permitted), 1u);
}

TEST_F(ResponseWaitTest, AForcedEndTakesWhatWaitsAndTheStepBooksNothing) {
  fill(6);
  rig_.socket().fail_sends(EAGAIN);
  EXPECT_EQ(step_.run().moved, 6u);
  EXPECT_EQ(rig_.seize_all(), 6u);
  rig_.expect_ledger();
  step_.run();
  EXPECT_EQ(step_.full_socket(), nullptr);
  EXPECT_THAT(rig_.replies(), IsEmpty());
  EXPECT_EQ(rig_.total(Reason::failed_forced_end), 6u);
  EXPECT_EQ(rig_.total(Reason::answered), 0u);
  EXPECT_EQ(rig_.total(Reason::failed_stale_slot), 0u);
  rig_.expect_ledger();
}

// --- the end of a wait ---

class ResponseDeadlineTest : public ResponseWaitTest {
 protected:
  static constexpr std::chrono::milliseconds kLongest{20};
  ResponseDeadlineTest() : ResponseWaitTest(1, 1024, kLongest) {}
};

TEST_F(ResponseDeadlineTest, WhatFindsNoRoomUntilItsDeadlineEndsAsFailed) {
  fill_up();
  fill(5);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(step_.run().moved, 5u);
  std::size_t ended = 0;
  while (step_.full_socket() != nullptr) {
    std::this_thread::sleep_for(1ms);
    ended += step_.run().moved;
  }
  EXPECT_GE(std::chrono::steady_clock::now() - begin, kLongest);
  EXPECT_EQ(ended, 5u);
  EXPECT_EQ(ended_without_room(), 5u);
  EXPECT_EQ(rig_.total(Counter::sent), 0u);
  EXPECT_THAT(test::events_of(lane_.events),
              ElementsAre(test::has_error(EventKind::send_error, EAGAIN)))
      << "one is like the other";
  expect_at_rest();
}

TEST_F(ResponseDeadlineTest, AtItsDeadlineItIsTriedOnceMore) {
  fill_up();
  fill(2);
  EXPECT_EQ(step_.run().moved, 2u);
  std::this_thread::sleep_for(2 * kLongest);
  make_room();
  EXPECT_EQ(step_.run().moved, 2u);
  EXPECT_EQ(rig_.total(Reason::answered), 2u);
  EXPECT_EQ(ended_without_room(), 0u);
  expect_at_rest();
}

TEST_F(ResponseDeadlineTest, EachHasItsOwnFromItsFirstTry) {
  fill_up();
  fill(1);
  EXPECT_EQ(step_.run().moved, 1u);
  std::this_thread::sleep_for(2 * kLongest);
  fill(1, 0, 1);
  EXPECT_EQ(step_.run().moved, 1u);
  EXPECT_EQ(ended_without_room(), 1u) << "the second has only begun to wait";
  make_room();
  EXPECT_THAT(respond(1), ElementsAre("1"));
}

TEST_F(ResponseDeadlineTest, ALaneThatOnlyFinishesWhatItHoldsEnds) {
  fill_up();
  fill(300);
  rig_.responses.close();
  QueueWait place({step_.input().consumer(), kBatch, -1}, lane_, step_.stats());
  RunResult last;
  do {
    for (last = step_.run(); last.moved > 0; last = step_.run()) {
    }
    step_.before_wait();
  } while (place.wait(last));
  EXPECT_EQ(ended_without_room(), 300u);
  EXPECT_GT(rig_.total(Counter::wait_calls), 0u);
  rig_.expect_at_rest();
}

class ResponseWithoutWaitTest : public ResponseWaitTest {
 protected:
  ResponseWithoutWaitTest() : ResponseWaitTest(1, 1024, 0s) {}
};

TEST_F(ResponseWithoutWaitTest, WhatFindsNoRoomEndsAtOnce) {
  fill(5);
  rig_.socket().fail_send_at(2, EAGAIN);
  EXPECT_EQ(step_.run().moved, 5u);
  EXPECT_EQ(step_.full_socket(), nullptr);
  EXPECT_EQ(ended_without_room(), 3u);
  expect_at_rest();
}

// --- several sockets ---

class ResponseSocketsWaitTest : public ResponseWaitTest {
 protected:
  ResponseSocketsWaitTest() : ResponseWaitTest(2) { step_sockets_ = 2; }
};

TEST_F(ResponseSocketsWaitTest, AFullSocketDoesNotHoldBackTheOther) {
  fill_up(0);
  fill(3);
  EXPECT_EQ(step_.run().moved, 3u);
  for (int round = 0; round < 5; ++round) {
    fill(3, 1, 10);
    EXPECT_EQ(step_.run().moved, 3u);
    EXPECT_EQ(rig_.replies(1), numbers(10, 12));
    EXPECT_EQ(step_.full_socket(), &rig_.socket(0));
  }
  make_room(0);
  EXPECT_EQ(step_.run().moved, 3u);
  EXPECT_EQ(rig_.replies(0), numbers(0, 2));
  expect_at_rest();
}

TEST_F(ResponseSocketsWaitTest, AListTakesHalfOfAnEighthOfTheSlotsAndWhatFindsItFullEnds) {
  fill_up(0);
  fill(300);
  fill(20, 1, 1000);
  run_until_idle();
  EXPECT_EQ(rig_.ledger.in_flight(), 64u);
  EXPECT_EQ(ended_without_room(), 300u - 64u);
  EXPECT_EQ(rig_.replies(1), numbers(1000, 1019)) << "behind all of them in the queue";
  make_room(0);
  EXPECT_EQ(step_.run().moved, 64u);
  EXPECT_EQ(rig_.replies(0), numbers(0, 63)) << "the oldest ones";
  expect_at_rest();
}

TEST_F(ResponseSocketsWaitTest, OfTwoFullSocketsItNamesOneThatIsStillFull) {
  fill(2);
  fill(2, 1, 10);
  for (std::size_t p = 0; p < 2; ++p) fill_up(p);
  EXPECT_EQ(step_.run().moved, 4u);
  EXPECT_NE(step_.full_socket(), nullptr);
  make_room(0);
  EXPECT_EQ(step_.run().moved, 2u);
  EXPECT_EQ(step_.full_socket(), &rig_.socket(1));
  make_room(1);
  EXPECT_EQ(step_.run().moved, 2u);
  EXPECT_EQ(step_.full_socket(), nullptr);
  expect_at_rest();
}

class ResponseManySocketsTest : public ResponseWaitTest {
 protected:
  ResponseManySocketsTest() : ResponseWaitTest(8) { step_sockets_ = 8; }
};

TEST_F(ResponseManySocketsTest, AllListsTogetherTakeAQuarterOfTheSlots) {
  for (std::size_t p = 0; p < 8; ++p) fill_up(p);
  for (std::size_t p = 0; p < 8; ++p) fill(100, p);
  run_until_idle();
  EXPECT_EQ(rig_.ledger.in_flight(), 256u);
  for (std::size_t p = 0; p < 8; ++p) make_room(p);
  EXPECT_EQ(step_.run().moved, 256u);
  expect_at_rest();
}

// --- under pressure: which replies may take the room ---

class ResponsePressureTest : protected test::KnownPeers, public ResponseWaitTest {
 protected:
  explicit ResponsePressureTest(std::uint32_t slots = 1024)
      : ResponseWaitTest(1, slots, 60s, &outlook_) {}

  // The socket is under pressure: too much of its buffer is taken for silent peers.
  void press() {
    pressure_[0].rise();
    rig_.socket().set_send_buffer_use({60, 100});
  }
  // The buffer has become empty: the next run sends all `count` replies that have waited aside.
  void expect_sent_after_relief(std::size_t count) {
    rig_.socket().set_send_buffer_use({0, 10'000'000});
    EXPECT_EQ(step_.run().moved, count);
    EXPECT_EQ(step_.full_socket(), nullptr);
    expect_at_rest();
  }
  void fill_from(const SocketAddress& peer, const std::string& text, int count = 1) {
    for (int i = 0; i < count; ++i) rig_.deliver(text, peer);
    rig_.receive_and_serve();
  }
};

TEST_F(ResponsePressureTest, SilentPeersWaitAsideWhileOthersGo) {
  press();
  fill_from(silent_, "silent", 3);
  fill_from(open_, "open");
  EXPECT_EQ(step_.run().moved, 4u);
  EXPECT_THAT(rig_.replies(), ElementsAre("open"));
  EXPECT_EQ(step_.full_socket(), &rig_.socket());
  fill_from(open_, "later");
  EXPECT_EQ(step_.run().moved, 1u);
  EXPECT_THAT(rig_.replies(), ElementsAre("later")) << "past those that wait";
  expect_sent_after_relief(3);
  EXPECT_THAT(rig_.replies(), Each("silent"));
}

TEST_F(ResponsePressureTest, WithoutPressureNobodyLooks) {
  rig_.socket().set_send_buffer_use({60, 100});
  fill_from(silent_, "silent", 3);
  EXPECT_THAT(respond(3), SizeIs(3));
  EXPECT_EQ(rig_.socket().counts().use_calls, 0u);
}

TEST_F(ResponsePressureTest, AFullSocketRaisesIt) {
  fill_from(open_, "open", 2);
  rig_.socket().fail_send_at(1, EAGAIN);
  EXPECT_EQ(step_.run().moved, 2u);
  EXPECT_TRUE(pressure_[0].on());
  EXPECT_EQ(step_.run().moved, 1u);
  EXPECT_EQ(rig_.socket().counts().use_calls, 1u);
  expect_at_rest();
}

// The list has room for an eighth of the 1024 slots; half of it is for replies that may not take
// room.
TEST_F(ResponsePressureTest, SilentPeersTakeHalfOfTheListAndTheRestEndsAtOnce) {
  press();
  fill_from(silent_, "silent", 200);
  run_until_idle();
  EXPECT_EQ(rig_.ledger.in_flight(), 64u);
  EXPECT_EQ(ended_without_room(), 200u - 64u);
  EXPECT_EQ(rig_.responses.ready_guess(), 0u) << "they keep nobody from being taken";
  EXPECT_EQ(rig_.socket().counts().send_calls, 0u);
  expect_sent_after_relief(64);
}

// A batch is more than half of the list.
class ResponseFewSlotsTest : public ResponsePressureTest {
 protected:
  ResponseFewSlotsTest() : ResponsePressureTest(32) {}
};

TEST_F(ResponseFewSlotsTest, SilentPeersKeepNobodyFromBeingTaken) {
  press();
  fill_from(silent_, "silent", 5);
  EXPECT_EQ(step_.run().moved, 5u);
  EXPECT_EQ(rig_.ledger.in_flight(), 2u) << "half of an eighth of 32 slots";
  for (int i = 0; i < 5; ++i) {
    fill_from(open_, "open", 3);
    EXPECT_EQ(step_.run().moved, 3u);
  }
  EXPECT_THAT(rig_.replies(), SizeIs(15));
  expect_sent_after_relief(2);
}

// A step that no lane runs: that of a process for one message.
TEST_F(ResponsePressureTest, AReplyAloneWaitsForRoomButNotAside) {
  ResponseStep::Wiring alone = wiring(1, 60s, &outlook_);
  alone.batch = 1;
  alone.lanes = 0;
  ResponseStep step(alone, lane_, rig_.ledger.open());
  press();
  fill_from(silent_, "silent");
  EXPECT_EQ(step.run().moved, 1u);
  EXPECT_EQ(step.full_socket(), nullptr);
  EXPECT_EQ(ended_without_room(), 1u);
  fill_from(open_, "open");
  rig_.socket().fail_sends(EAGAIN);
  EXPECT_EQ(step.run().moved, 1u);
  EXPECT_EQ(step.full_socket(), &rig_.socket());
  EXPECT_EQ(step.run().moved, 1u);
  EXPECT_EQ(step.full_socket(), nullptr);
  EXPECT_THAT(rig_.replies(), ElementsAre("open"));
  step.before_wait();
  expect_at_rest();
}

class ResponseFewestSlotsTest : public ResponsePressureTest {
 protected:
  ResponseFewestSlotsTest() : ResponsePressureTest(4) {}
};

TEST_F(ResponseFewestSlotsTest, OneMayStillWaitAside) {
  press();
  fill_from(silent_, "silent", 2);
  EXPECT_EQ(step_.run().moved, 2u);
  EXPECT_EQ(rig_.ledger.in_flight(), 1u);
  EXPECT_EQ(ended_without_room(), 1u);
  expect_sent_after_relief(1);
}

// With each batch the step looks at its whole list, so the list is bounded even with many slots.
class ResponseManySlotsTest : public ResponsePressureTest {
 protected:
  ResponseManySlotsTest() : ResponsePressureTest(65'536) {}
};

TEST_F(ResponseManySlotsTest, AListHasABoundOfItsOwn) {
  press();
  fill_from(silent_, "silent", 3000);
  run_until_idle();
  EXPECT_EQ(rig_.ledger.in_flight(), 2048u);
  EXPECT_EQ(ended_without_room(), 3000u - 2048u);
  expect_sent_after_relief(2048);
}

}  // namespace
}  // namespace cpss
