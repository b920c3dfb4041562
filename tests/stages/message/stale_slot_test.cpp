// Slots whose message has ended elsewhere: stale ones, which are a defect, and those that main
// seizes at a forced end.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/stages/rig.h"

namespace cpss {
namespace {

using test::CallService;
using test::client;
using test::echo;
using test::Rig;
using test::RigOptions;
using test::slot_with;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(StaleSlot, GenerationChangedBetweenTakeAndHandOn) {
  Rig* rig = nullptr;
  std::uint32_t slot = 0;
  CallService service([&](Message& message) {
    if (test::request_of(message) == "victim") {
      slot = slot_with(*rig, "victim");
      rig->intrude(slot);
    }
    echo(message);
  });
  Rig the_rig(service);
  rig = &the_rig;
  for (const char* request : {"a", "victim", "b"}) rig->deliver(request);
  ASSERT_TRUE(rig->settle());
  EXPECT_THAT(rig->replies(), ElementsAre("a", "b")) << "someone else's message is not answered";
  EXPECT_EQ(rig->total(Reason::failed_stale_slot), 1u);
  EXPECT_TRUE(rig->store.holds(rig->store.message_in(slot))) << "nor touched";
  rig->expect_ledger();
  rig->end_intruder(slot);
  rig->expect_at_rest();
}

TEST(StaleSlot, GenerationChangedBetweenTakeAndCompletion) {
  Rig* rig = nullptr;
  std::uint32_t slot = 0;
  CallService service([&](Message& message) {
    slot = slot_with(*rig, "victim");
    rig->intrude(slot);
    message.no_reply();
  });
  Rig the_rig(service);
  rig = &the_rig;
  rig->deliver("victim");
  ASSERT_TRUE(rig->settle());
  EXPECT_EQ(rig->total(Reason::failed_stale_slot), 1u);
  EXPECT_EQ(rig->total(Reason::no_answer), 0u);
  rig->end_intruder(slot);
  rig->expect_at_rest();
}

TEST(StaleSlot, GivenBackBeforeResponseTookIt) {
  CallService service(echo);
  Rig rig(service);
  for (const char* request : {"a", "victim", "b"}) rig.deliver(request);
  rig.receive.run();
  rig.service.run();
  const std::uint32_t slot = slot_with(rig, "victim");
  rig.intrude(slot);
  rig.end_intruder(slot);
  ASSERT_TRUE(rig.settle());
  EXPECT_THAT(rig.replies(), ElementsAre("a", "b"));
  EXPECT_EQ(rig.total(Reason::failed_stale_slot), 1u);
  rig.expect_at_rest();
}

// The generation has to be checked when the reply is sent, not when it is taken: between the two
// lie sends of other sockets and waits for room.
TEST(StaleSlot, GenerationChangedBetweenTakeAndSend) {
  CallService service(echo);
  RigOptions options;
  options.sockets = 2;
  Rig rig(service, std::move(options));
  rig.deliver("first", client(), 0);
  rig.deliver("victim", client(), 1);
  rig.deliver("second", client(), 1);
  rig.receive.run();
  rig.service.run();
  const std::uint32_t slot = slot_with(rig, "victim");
  rig.socket(0).refuse([&](const OutgoingDatagram&) {
    rig.intrude(slot);
    return 0;
  });
  ASSERT_TRUE(rig.settle());
  EXPECT_THAT(rig.replies(0), ElementsAre("first"));
  EXPECT_THAT(rig.replies(1), ElementsAre("second"));
  EXPECT_EQ(rig.total(Reason::failed_stale_slot), 1u);
  rig.end_intruder(slot);
  rig.expect_at_rest();
}

TEST(StaleSlot, GenerationChangedWhileTheSocketHadNoRoom) {
  CallService service(echo);
  Rig rig(service);
  rig.deliver("first");
  rig.deliver("victim");
  rig.receive.run();
  rig.service.run();
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
  EXPECT_EQ(rig.total(Reason::failed_stale_slot), 1u);
  rig.end_intruder(slot);
  rig.expect_at_rest();
}

// The queue yields the same slot twice: the second holder must notice.
TEST(StaleSlot, HandedOnTwice) {
  CallService service([](Message& message) { message.no_reply(); });
  Rig rig(service);
  rig.deliver("x");
  rig.receive.run();
  const std::uint32_t slot = slot_with(rig, "x");
  SlotQueue::Producer(rig.requests).put({&slot, 1});
  ASSERT_TRUE(rig.settle());
  EXPECT_EQ(rig.total(Reason::no_answer), 1u);
  EXPECT_EQ(rig.total(Reason::failed_stale_slot), 1u);
  rig.expect_at_rest();
}

class ForcedEndTest : public testing::Test {
 protected:
  // Main keeps the slots it has seized; no lane may book or give back any of them.
  static void expect_entries_of_main_alone(Rig& rig, std::uint64_t seized) {
    EXPECT_EQ(rig.total(Reason::failed_forced_end), seized);
    EXPECT_EQ(rig.total(Reason::failed_stale_slot), 0u);
    EXPECT_EQ(rig.ledger.in_flight(), 0u);
    rig.expect_ledger();
    rig.receive.before_wait();
    rig.service.before_wait();
    rig.response.before_wait();
    EXPECT_EQ(rig.pool.free_slots().value_guess(), rig.store.slots() - seized);
  }
};

TEST_F(ForcedEndTest, MessagesInTheRequestQueue) {
  CallService service(echo);
  Rig rig(service);
  for (int i = 0; i < 5; ++i) rig.deliver("x");
  rig.receive.run();
  EXPECT_EQ(rig.seize_all(), 5u);
  EXPECT_EQ(rig.seize_all(), 0u) << "a second time there is nothing to book";
  ASSERT_TRUE(rig.settle());
  EXPECT_THAT(rig.replies(), IsEmpty());
  expect_entries_of_main_alone(rig, 5);
}

TEST_F(ForcedEndTest, MessagesInsideTheService) {
  Rig* rig = nullptr;
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
  Rig the_rig(service);
  rig = &the_rig;
  for (const char* request : {"echo", "defer", "silent"}) rig->deliver(request);
  ASSERT_TRUE(rig->settle());
  EXPECT_EQ(seized, 3u);
  EXPECT_THAT(rig->replies(), IsEmpty());
  expect_entries_of_main_alone(*rig, 3);
}

TEST_F(ForcedEndTest, MessagesInTheResponseQueue) {
  CallService service(echo);
  Rig rig(service);
  for (int i = 0; i < 4; ++i) rig.deliver("x");
  rig.receive.run();
  rig.service.run();
  EXPECT_EQ(rig.seize_all(), 4u);
  ASSERT_TRUE(rig.settle());
  EXPECT_THAT(rig.replies(), IsEmpty());
  expect_entries_of_main_alone(rig, 4);
}

TEST_F(ForcedEndTest, MessagesBeingSentAreBookedByWhoeverIsFirst) {
  CallService service(echo);
  Rig rig(service);
  for (int i = 0; i < 4; ++i) rig.deliver("x");
  rig.receive.run();
  rig.service.run();
  // Two are sent and booked; then, inside the second call, main takes the other two.
  rig.socket().accept_at_most(2);
  int offered = 0;
  std::uint64_t seized = 0;
  rig.socket().refuse([&](const OutgoingDatagram&) {
    if (++offered == 3) seized = rig.seize_all();
    return 0;
  });
  ASSERT_TRUE(rig.settle());
  EXPECT_EQ(seized, 2u);
  EXPECT_EQ(rig.total(Reason::answered), 2u);
  EXPECT_EQ(rig.total(Counter::sent), 4u) << "the kernel did take them";
  expect_entries_of_main_alone(rig, 2);
}

TEST_F(ForcedEndTest, WhatIsReceivedMeanwhileIsTakenByTheNextLook) {
  CallService service(echo);
  Rig rig(service);
  rig.deliver("one");
  rig.receive.run();
  EXPECT_EQ(rig.seize_all(), 1u);
  rig.deliver("two");
  rig.receive.run();
  EXPECT_EQ(rig.seize_all(), 1u);
  ASSERT_TRUE(rig.settle());
  expect_entries_of_main_alone(rig, 2);
}

TEST_F(ForcedEndTest, WhatHasEndedBeforeStaysAsItWas) {
  CallService service(echo);
  Rig rig(service);
  rig.deliver("answered");
  ASSERT_TRUE(rig.settle());
  EXPECT_EQ(rig.seize_all(), 0u);
  EXPECT_EQ(rig.total(Reason::answered), 1u);
  rig.expect_at_rest();
}

}  // namespace
}  // namespace cpss
