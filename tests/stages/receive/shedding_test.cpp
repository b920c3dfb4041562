// What receive does with datagrams that find no slot, under the policy `shed`.
#include "stages/receive/shedding.h"

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/echo.h"
#include "services/lookup.h"
#include "services/native_wire.h"
#include "tests/stages/busy_service.h"
#include "tests/stages/rig.h"

namespace cpss {
namespace {

using test::address;
using test::client;
using test::Rig;
using test::RigOptions;
using testing::ElementsAre;
using testing::IsEmpty;

// One slot and, if the options do not name a limit, none on busy replies.
RigOptions one_slot(RigOptions options = {.batch = 8}) {
  options.slots = 1;
  if (!options.busy_rate) options.busy_rate = 10'000'000;
  return options;
}

// A first message, "first", has taken the only slot and keeps it.
class StarvedRig final : public Rig {
 public:
  explicit StarvedRig(Service& user, const RigOptions& options = one_slot(),
                      const SocketAddress& first = client())
      : Rig(user, options) {
    deliver("first", first);
    EXPECT_EQ(receive.run().moved, 1u);
  }
};

class SheddingTest : public testing::Test {
 protected:
  // One run that sheds the datagrams of the socket.
  static void shed(Rig& rig) {
    EXPECT_EQ(rig.receive.run(), (RunResult{0, Next::need_slot}));
    rig.expect_ledger();
  }

  test::BusyService busy_;
};

TEST_F(SheddingTest, ADatagramWithoutASlotIsAnsweredBusyAndBookedAsShed) {
  StarvedRig rig(busy_);
  rig.deliver("bbb", client(1));
  shed(rig);
  const auto sent = rig.socket().take_sent();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(test::text_of(sent[0].bytes), "BBB");
  EXPECT_EQ(sent[0].peer, client(1));
  EXPECT_EQ(rig.total(Reason::shed_no_slot), 1u);
  EXPECT_EQ(rig.total(Counter::sent), 1u);
  EXPECT_EQ(rig.total(Counter::busy_replies), 1u);
  EXPECT_EQ(rig.total(Counter::received), 2u);
  EXPECT_EQ(rig.total(Counter::completed), 1u);
  EXPECT_EQ(rig.ledger.in_flight(), 1u) << "the spare batch is left at once";
  EXPECT_THAT(rig.final_replies(), ElementsAre("first"));
}

TEST_F(SheddingTest, WithoutThePolicyNothingIsShed) {
  RigOptions options = one_slot();
  options.busy_rate.reset();
  StarvedRig rig(busy_, options);
  rig.deliver("b");
  EXPECT_EQ(rig.receive.run(), (RunResult{0, Next::need_slot}));
  EXPECT_EQ(rig.total(Counter::received), 1u);
  rig.finish();
  EXPECT_EQ(rig.ledger.outcomes(), 2u);
  EXPECT_EQ(rig.total(Reason::answered), 2u);
}

TEST_F(SheddingTest, ARunThatShedsLeavesTheLaneTimeAndTheNextUsesSlots) {
  StarvedRig rig(busy_);
  for (int i = 0; i < 20; ++i) rig.deliver("b");
  shed(rig);
  EXPECT_EQ(rig.total(Reason::shed_no_slot), 8u) << "a batch and no more";
  shed(rig);
  rig.service.run();
  rig.response.run();
  rig.response.before_wait();
  EXPECT_EQ(rig.receive.run(), (RunResult{1, Next::again}));
  EXPECT_EQ(rig.total(Reason::shed_no_slot), 16u);
  rig.finish();
}

TEST_F(SheddingTest, WithNothingToReadItNeedsNoSlot) {
  StarvedRig rig(busy_);
  EXPECT_EQ(rig.receive.run().next, Next::empty) << "it waits for the socket, not for a slot";
  EXPECT_EQ(rig.total(Counter::batches), 1u);
  rig.finish();
}

// A run that filled a slot, after which a lane goes on at once, must not hide that it also shed a
// batch.
TEST_F(SheddingTest, ARunThatFilledASlotAndShedLeavesTheLaneTimeToo) {
  Rig rig(busy_, one_slot({.batch = 8, .sockets = 2}));
  rig.deliver("first", client(), 0);
  rig.deliver("b", client(), 1);
  shed(rig);
  EXPECT_EQ(rig.total(Counter::received), 2u);
  EXPECT_EQ(rig.total(Reason::shed_no_slot), 1u);
  rig.finish();
}

TEST_F(SheddingTest, EverySocketGetsItsTurn) {
  StarvedRig rig(busy_, one_slot({.batch = 8, .sockets = 3}));
  constexpr int kEach = 40;
  for (std::size_t p = 0; p < 3; ++p)
    for (int i = 0; i < kEach; ++i) rig.deliver("b", client(), p);
  for (int run = 0; run < 3 * 4; ++run) shed(rig);
  for (std::size_t p = 0; p < 3; ++p) EXPECT_EQ(rig.replies(p).size(), 4u * 8) << p;
  // The eight remaining of each socket, and one more of the second: a batch each, in three runs.
  rig.deliver("b", client(), 1);
  for (int run = 0; run < 3; ++run) shed(rig);
  for (std::size_t p = 0; p < 3; ++p) EXPECT_GE(rig.replies(p).size(), 8u) << p;
  rig.finish();
}

TEST_F(SheddingTest, InvalidAndRefusedAreDecidedFirst) {
  StarvedRig rig(
      busy_,
      one_slot({.window = 32, .batch = 16, .access_control = test::allowing("192.0.2.0", 24)}));
  rig.deliver("");
  rig.deliver(std::string(33, 'b'));
  rig.deliver("b", address("192.0.2.1", 0));
  rig.deliver("b", address("198.51.100.1", 4000));
  FakeSocket::Incoming to_all = test::incoming("b");
  to_all.to_group = true;
  rig.socket().deliver(to_all);
  rig.deliver("i");
  rig.deliver("r");
  rig.deliver("b");
  shed(rig);
  EXPECT_THAT(rig.replies(), ElementsAre("B"));
  for (const Reason reason :
       {Reason::invalid_empty, Reason::invalid_truncated, Reason::refused_source_port_zero,
        Reason::refused_not_allowed, Reason::refused_group_address, Reason::invalid_bad_magic,
        Reason::refused_by_service, Reason::shed_no_slot})
    EXPECT_EQ(rig.total(reason), 1u) << static_cast<int>(reason);
  rig.finish();
}

TEST_F(SheddingTest, SilenceIsShedToo) {
  StarvedRig rig(busy_);
  for (const char* request : {"s", "n", "d", "x"}) rig.deliver(request);
  shed(rig);
  EXPECT_THAT(rig.replies(), IsEmpty());
  EXPECT_EQ(rig.total(Reason::shed_no_slot), 4u);
  EXPECT_EQ(rig.total(Counter::busy_replies), 0u);
  EXPECT_EQ(rig.socket().counts().send_calls, 0u) << "without a reply there is nothing to send";
  rig.finish();
}

TEST_F(SheddingTest, AServiceWithoutABusyReplyIsSilent) {
  EchoService echo;
  StarvedRig rig(echo);
  rig.deliver("anything");
  shed(rig);
  EXPECT_EQ(rig.total(Reason::shed_no_slot), 1u);
  EXPECT_EQ(rig.socket().counts().send_calls, 0u);
  rig.finish();
}

TEST_F(SheddingTest, AServiceThatThrowsIsReportedAndHasSaidNothing) {
  StarvedRig rig(busy_);
  rig.deliver("t");
  rig.deliver("b");
  shed(rig);
  EXPECT_THAT(rig.replies(), ElementsAre("B"));
  EXPECT_EQ(rig.total(Reason::shed_no_slot), 2u);
  EXPECT_THAT(rig.events(), ElementsAre(test::says_service_threw("asked to")));
  rig.finish();
}

TEST_F(SheddingTest, WithoutABudgetItIsSilent) {
  StarvedRig rig(busy_, one_slot({.batch = 8, .busy_rate = 0}));
  for (int i = 0; i < 8; ++i) rig.deliver("b");
  shed(rig);
  EXPECT_EQ(rig.socket().counts().send_calls, 0u);
  EXPECT_EQ(rig.total(Reason::shed_no_slot), 8u);
  rig.finish();
}

TEST_F(SheddingTest, BeyondTheBudgetItIsSilent) {
  StarvedRig rig(busy_, one_slot({.batch = 8, .busy_rate = 1}));
  // A request without a busy reply takes nothing from the budget.
  for (const char* request : {"i", "s", "t", "x", "b", "b", "b"}) rig.deliver(request);
  shed(rig);
  EXPECT_THAT(rig.replies(), ElementsAre("B"));
  EXPECT_EQ(rig.total(Counter::busy_replies), 1u);
  EXPECT_EQ(rig.total(Reason::shed_no_slot), 6u);
  rig.finish();
}

TEST_F(SheddingTest, WhatTheKernelDoesNotTakeAtOnceIsDropped) {
  StarvedRig rig(busy_);
  for (const char* request : {"bb", "bbb", "bbbb", "bbbbb"}) rig.deliver(request);
  rig.socket().fail_send_at(1, EAGAIN);
  shed(rig);
  EXPECT_THAT(rig.replies(), ElementsAre("BB"));
  EXPECT_EQ(rig.socket().counts().wait_calls, 0u);
  EXPECT_EQ(rig.socket().counts().send_calls, 2u);
  EXPECT_EQ(rig.total(Reason::shed_no_slot), 4u);
  EXPECT_EQ(rig.total(Counter::sent), 1u);
  EXPECT_THAT(rig.final_replies(), ElementsAre("first")) << "what was dropped stays so";
}

TEST_F(SheddingTest, ASendErrorIsOfOneReplyAndStillShed) {
  for (const int error : {EPERM, ECONNREFUSED, EMSGSIZE, ENOBUFS, EINVAL, EBADF}) {
    for (std::size_t at = 0; at < 3; ++at) {
      StarvedRig rig(busy_);
      std::vector<std::string> expected{"BB", "BBB", "BBBB"};
      for (const char* request : {"bb", "bbb", "bbbb"}) rig.deliver(request);
      rig.socket().fail_send_at(at, error);
      shed(rig);
      expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(at));
      EXPECT_EQ(rig.replies(), expected) << error;
      EXPECT_EQ(rig.total(Reason::shed_no_slot), 3u);
      EXPECT_EQ(rig.total(Counter::busy_replies), 2u);
      rig.finish();
    }
  }
}

TEST_F(SheddingTest, PartialAndInterruptedSendsGoOnWhereTheyStopped) {
  StarvedRig rig(busy_);
  for (const char* request : {"b", "bb", "bbb", "bbbb", "bbbbb"}) rig.deliver(request);
  rig.socket().accept_at_most(2);
  rig.socket().fail_sends(EINTR, 3);
  rig.socket().accept_at_most(1);
  shed(rig);
  EXPECT_THAT(rig.replies(), ElementsAre("B", "BB", "BBB", "BBBB", "BBBBB"));
  EXPECT_EQ(rig.total(Counter::sent), 5u);
  rig.finish();
}

TEST_F(SheddingTest, RepliesInPlaceAndInTheWindowDoNotMix) {
  StarvedRig rig(busy_);
  for (const char* request : {"ww", "bbb", "wwww", "b", "l", "llllll"}) rig.deliver(request);
  shed(rig);
  EXPECT_THAT(rig.replies(), ElementsAre("WW", "BBB", "WWWW", "B", "L", "LLLLLL"));
  rig.finish();
}

TEST_F(SheddingTest, OnlyATrustedPeerGetsMoreThanItSent) {
  StarvedRig rig(
      busy_,
      one_slot({.window = 64, .batch = 8, .access_control = test::trusting("127.0.0.0", 8)}));
  rig.deliver("l", address("127.0.0.1", 4000));
  rig.deliver("ll", client());
  shed(rig);
  EXPECT_THAT(rig.replies(), ElementsAre(std::string(64, 'L'), "LL"));
  rig.finish();
}

TEST_F(SheddingTest, TheReplyLeavesFromTheAddressAsked) {
  StarvedRig rig(busy_);
  FakeSocket::Incoming asked = test::incoming("b");
  asked.local = {IpAddress::parse("203.0.113.7").value(), 3};
  rig.socket().deliver(asked);
  rig.deliver("b");
  shed(rig);
  const auto sent = rig.socket().take_sent();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].local, asked.local);
  EXPECT_EQ(sent[1].local, LocalAddress{});
  rig.finish();
}

TEST_F(SheddingTest, AFixedReplyAddressGetsTheBusyRepliesToo) {
  StarvedRig rig(busy_, one_slot({.batch = 8, .reply_address = address("198.51.100.9", 9000)}));
  FakeSocket::Incoming asked = test::incoming("b");
  asked.local = {IpAddress::parse("203.0.113.7").value(), 3};
  rig.socket().deliver(asked);
  shed(rig);
  const auto sent = rig.socket().take_sent();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].peer, address("198.51.100.9", 9000));
  EXPECT_EQ(sent[0].local, LocalAddress{});
  rig.finish();
}

TEST_F(SheddingTest, ReceiveErrorsAreCountedAndHideNothing) {
  StarvedRig rig(busy_);
  rig.socket().fail_receive(ECONNREFUSED);
  rig.deliver("b");
  shed(rig);
  EXPECT_THAT(rig.replies(), ElementsAre("B"));
  EXPECT_EQ(rig.total(Counter::receive_errors), 1u);
  rig.finish();
}

// --- datagrams that the kernel has merged ---

TEST_F(SheddingTest, EachOfMergedDatagramsIsCountedAndAskedFor) {
  StarvedRig rig(busy_);
  rig.deliver_merged("b1i2w3ssr5l6b", 2);
  shed(rig);
  EXPECT_EQ(rig.total(Counter::received), 1u + 7u);
  EXPECT_THAT(rig.replies(), ElementsAre("BB", "WW", "LL", "B"));
  EXPECT_EQ(rig.total(Reason::shed_no_slot), 5u);
  EXPECT_EQ(rig.total(Reason::invalid_bad_magic), 1u);
  EXPECT_EQ(rig.total(Reason::refused_by_service), 1u);
  rig.finish();
}

TEST_F(SheddingTest, ATruncatedMergedBufferLosesItsLastDatagramOnly) {
  StarvedRig rig(busy_);
  rig.deliver_merged("b1b2b", 2, true);
  rig.deliver_merged("b1", 2, true);
  shed(rig);
  EXPECT_THAT(rig.replies(), ElementsAre("BB", "BB"));
  EXPECT_EQ(rig.total(Reason::invalid_truncated), 2u);
  EXPECT_EQ(rig.total(Reason::shed_no_slot), 2u);
  rig.finish();
}

TEST_F(SheddingTest, MergedDatagramsThatAreRefusedAreAllRefused) {
  StarvedRig rig(busy_,
                 one_slot({.batch = 8, .access_control = test::allowing("198.51.100.0", 24)}),
                 address("198.51.100.1", 4000));
  rig.deliver_merged("b1b2b3", 2);
  shed(rig);
  EXPECT_EQ(rig.total(Reason::refused_not_allowed), 3u);
  EXPECT_EQ(rig.total(Reason::shed_no_slot), 0u);
  rig.finish();
}

// The end is forced while the service is busy for long with a busy reply, which it should not be.
TEST_F(SheddingTest, WhatIsLeftOfABatchAtAForcedEndIsTakenOnce) {
  Rig* main = nullptr;
  int asked = 0;
  test::CallService service(test::echo, {}, [&](Message& message) {
    if (++asked == 3) {
      main->pool.free_slots().close();
      EXPECT_EQ(main->take_away_held(), 5u) << "all but the two that were ended";
      EXPECT_EQ(main->seize_all(), 1u);
    }
    message.reply_in_place(message.request().size());
  });
  StarvedRig rig(service);
  main = &rig;
  rig.deliver_merged("b1b2b3b4", 2);
  rig.deliver_merged("c1c2c3", 2);
  EXPECT_EQ(rig.receive.run().moved, 0u);
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(rig.total(Reason::shed_no_slot), 2u);
  EXPECT_EQ(rig.total(Reason::failed_forced_end), 6u);
  EXPECT_EQ(rig.ledger.in_flight(), 0u);
  rig.expect_ledger();
  EXPECT_EQ(rig.receive.run().moved, 0u);
  rig.expect_ledger();
}

// However many datagrams were merged, at most a batch of busy replies goes out.
TEST_F(SheddingTest, OfMergedDatagramsABatchIsAnswered) {
  StarvedRig rig(
      busy_,
      one_slot({.window = 64, .batch = 4, .access_control = test::trusting("192.0.2.0", 24)}));
  rig.deliver_merged("w1l2b3b4b5b6b7", 2);
  shed(rig);
  EXPECT_THAT(rig.replies(), ElementsAre("WW", std::string(64, 'L'), "BB", "BB"));
  EXPECT_EQ(rig.total(Reason::shed_no_slot), 7u);
  rig.finish();
}

// --- the service `lookup` ---

std::string lookup_message(native::Kind kind, std::uint16_t code, std::uint64_t transaction,
                           std::string_view body, std::size_t size, char padding) {
  std::string bytes(native::kHeaderBytes, '\0');
  native::write_header(std::as_writable_bytes(std::span(bytes)),
                       {.kind = static_cast<std::uint8_t>(kind),
                        .code = code,
                        .body_length = static_cast<std::uint16_t>(body.size()),
                        .transaction = transaction});
  bytes += body;
  bytes.resize(size, padding);
  return bytes;
}

TEST_F(SheddingTest, LookupSaysBusyForTheTransactionAndIsNeverLongerThanAsked) {
  const auto lookup = make_lookup({});
  for (const bool trusted : {false, true}) {
    RigOptions options = one_slot({.batch = 64});
    if (trusted) options.access_control = test::trusting("192.0.2.0", 24);
    StarvedRig rig(*lookup, options);
    std::vector<std::string> expected;
    for (const std::size_t size : {20u, 64u, 511u, 512u}) {
      rig.deliver(lookup_message(native::Kind::request, 0, 0x0123456789abcdef + size, "+441", size,
                                 '\x5a'));
      expected.push_back(
          lookup_message(native::Kind::reply, 3, 0x0123456789abcdef + size, "", size, '\0'));
    }
    rig.deliver(lookup_message(native::Kind::reply, 0, 1, "", 64, '\0'));
    rig.deliver("too short");
    shed(rig);
    EXPECT_EQ(rig.replies(), expected);
    EXPECT_EQ(rig.total(Reason::invalid_wrong_direction), 1u);
    EXPECT_EQ(rig.total(Reason::invalid_too_short), 1u);
    EXPECT_EQ(rig.total(Reason::shed_no_slot), expected.size());
    rig.finish();
  }
}

}  // namespace
}  // namespace cpss
