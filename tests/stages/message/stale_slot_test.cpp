// Slots whose message has ended elsewhere: stale ones, which are a defect, and those that main
// seizes at a forced end.
#include <cerrno>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/stages/rig.h"

namespace cpss {
namespace {

using test::CallService;
using test::client;
using test::echo;
using test::Rig;
using test::slot_with;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(StaleSlot, GenerationChangedBetweenTakeAndHandOn) {
  std::optional<Rig> rig;
  std::uint32_t slot = 0;
  CallService service([&](Message& message) {
    if (test::request_of(message) == "victim") {
      slot = slot_with(*rig, "victim");
      rig->intrude(slot);
    }
    echo(message);
  });
  rig.emplace(service);
  for (const char* request : {"a", "victim", "b"}) rig->deliver(request);
  ASSERT_TRUE(rig->settle());
  EXPECT_THAT(rig->replies(), ElementsAre("a", "b")) << "someone else's message is not answered";
  rig->expect_stale_once(slot);
}

TEST(StaleSlot, GenerationChangedBetweenTakeAndCompletion) {
  std::optional<Rig> rig;
  std::uint32_t slot = 0;
  CallService service([&](Message& message) {
    slot = slot_with(*rig, "victim");
    rig->intrude(slot);
    message.no_reply();
  });
  rig.emplace(service);
  rig->deliver("victim");
  ASSERT_TRUE(rig->settle());
  EXPECT_EQ(rig->total(Reason::no_answer), 0u);
  rig->expect_stale_once(slot);
}

TEST(StaleSlot, GivenBackBeforeResponseTookIt) {
  CallService service(echo);
  Rig rig(service);
  for (const char* request : {"a", "victim", "b"}) rig.deliver(request);
  rig.receive_and_serve();
  const std::uint32_t slot = slot_with(rig, "victim");
  rig.intrude(slot);
  rig.end_intruder(slot);
  EXPECT_THAT(rig.final_replies(), ElementsAre("a", "b"));
  EXPECT_EQ(rig.total(Reason::failed_stale_slot), 1u);
}

// The generation has to be checked when the reply is sent, not when it is taken: between the two
// lie sends of other sockets and waits for room.
TEST(StaleSlot, GenerationChangedBetweenTakeAndSend) {
  CallService service(echo);
  Rig rig(service, {.sockets = 2});
  rig.deliver("first", client(), 0);
  rig.deliver("victim", client(), 1);
  rig.deliver("second", client(), 1);
  rig.receive_and_serve();
  const std::uint32_t slot = slot_with(rig, "victim");
  rig.socket(0).refuse([&](const OutgoingDatagram&) {
    rig.intrude(slot);
    return 0;
  });
  ASSERT_TRUE(rig.settle());
  EXPECT_THAT(rig.replies(0), ElementsAre("first"));
  EXPECT_THAT(rig.replies(1), ElementsAre("second"));
  rig.expect_stale_once(slot);
}

TEST(StaleSlot, GenerationChangedWhileTheSocketHadNoRoom) {
  CallService service(echo);
  Rig rig(service);
  rig.deliver("first");
  rig.deliver("victim");
  rig.receive_and_serve();
  const std::uint32_t slot = slot_with(rig, "victim");
  bool intruded = false;
  rig.socket().accept_at_most(1);
  rig.socket().fail_sends(EAGAIN);
  rig.socket().refuse([&](const OutgoingDatagram&) {
    if (!intruded) rig.intrude(slot);
    intruded = true;
    return 0;
  });
  ASSERT_TRUE(rig.settle());
  EXPECT_THAT(rig.replies(), ElementsAre("first"));
  rig.expect_stale_once(slot);
}

// The queue yields the same slot twice: the second holder must notice.
TEST(StaleSlot, HandedOnTwice) {
  CallService service([](Message& message) { message.no_reply(); });
  Rig rig(service);
  rig.deliver("x");
  rig.receive.run();
  const std::uint32_t slot = slot_with(rig, "x");
  SlotQueue::Producer(rig.requests).put({&slot, 1});
  rig.finish();
  EXPECT_EQ(rig.total(Reason::no_answer), 1u);
  EXPECT_EQ(rig.total(Reason::failed_stale_slot), 1u);
}

class ForcedEndTest : public testing::Test {
 protected:
  // Main seizes the `count` messages in a queue. The stage behind it finds nothing to answer.
  void expect_seized_in_the_queue(std::uint64_t count) {
    EXPECT_EQ(rig_.seize_all(), count);
    EXPECT_EQ(rig_.seize_all(), 0u) << "a second time there is nothing to book";
    ASSERT_TRUE(rig_.settle());
    EXPECT_THAT(rig_.replies(), IsEmpty());
    rig_.expect_only_seized(count);
  }

  CallService echo_{echo};
  Rig rig_{echo_};
};

TEST_F(ForcedEndTest, MessagesInTheRequestQueue) {
  rig_.deliver_numbers(5);
  rig_.receive.run();
  expect_seized_in_the_queue(5);
}

TEST_F(ForcedEndTest, MessagesInsideTheService) {
  std::optional<Rig> rig;
  std::uint64_t seized = 0;
  CallService service(
      [&](Message& message) {
        seized += rig->seize_all();
        const std::string_view request = test::request_of(message);
        if (request == "defer") return message.defer();
        if (request == "silent") return message.no_reply();
        echo(message);
      },
      echo);
  rig.emplace(service);
  for (const char* request : {"echo", "defer", "silent"}) rig->deliver(request);
  ASSERT_TRUE(rig->settle());
  EXPECT_EQ(seized, 3u);
  EXPECT_THAT(rig->replies(), IsEmpty());
  rig->expect_only_seized(3);
}

TEST_F(ForcedEndTest, MessagesInTheResponseQueue) {
  rig_.deliver_numbers(4);
  rig_.receive_and_serve();
  expect_seized_in_the_queue(4);
}

TEST_F(ForcedEndTest, MessagesBeingSentAreBookedByWhoeverIsFirst) {
  for (int i = 0; i < 4; ++i) rig_.deliver("x");
  rig_.receive_and_serve();
  // Two are sent and booked; then, inside the second call, main takes the other two.
  rig_.socket().accept_at_most(2);
  int offered = 0;
  std::uint64_t seized = 0;
  rig_.socket().refuse([&](const OutgoingDatagram&) {
    if (++offered == 3) seized = rig_.seize_all();
    return 0;
  });
  ASSERT_TRUE(rig_.settle());
  EXPECT_EQ(seized, 2u);
  EXPECT_EQ(rig_.total(Reason::answered), 2u);
  EXPECT_EQ(rig_.total(Counter::sent), 4u) << "the kernel did take them";
  rig_.expect_only_seized(2);
}

TEST_F(ForcedEndTest, WhatIsReceivedMeanwhileIsTakenByTheNextLook) {
  rig_.deliver("one");
  rig_.receive.run();
  EXPECT_EQ(rig_.seize_all(), 1u);
  rig_.deliver("two");
  rig_.receive.run();
  EXPECT_EQ(rig_.seize_all(), 1u);
  ASSERT_TRUE(rig_.settle());
  rig_.expect_only_seized(2);
}

TEST_F(ForcedEndTest, WhatHasEndedBeforeStaysAsItWas) {
  rig_.deliver("answered");
  ASSERT_TRUE(rig_.settle());
  EXPECT_EQ(rig_.seize_all(), 0u);
  EXPECT_EQ(rig_.total(Reason::answered), 1u);
  rig_.expect_at_rest();
}

}  // namespace
}  // namespace cpss
