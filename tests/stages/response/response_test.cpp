#include "stages/response/response.h"

#include <cerrno>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "tests/stages/rig.h"
#include "tests/support/forwarding_socket.h"

namespace cpss {
namespace {

using test::CallService;
using test::client;
using test::numbers;
using test::Rig;
using test::RigOptions;
using testing::ElementsAre;
using testing::IsEmpty;

class ResponseTest : public testing::Test {
 protected:
  // Puts `count` messages "0", "1", ... with replies into the response queue.
  static void fill(Rig& rig, int count, std::size_t socket = 0, int first = 0) {
    rig.deliver_numbers(count, socket, first);
    rig.receive_and_serve();
  }
  // One run of the step takes all `count` messages, and nothing is left inside. Returns what was
  // sent.
  static std::vector<std::string> respond(Rig& rig, std::size_t count) {
    EXPECT_EQ(rig.response.run().moved, count);
    rig.expect_at_rest();
    return rig.replies();
  }

  CallService echo_{test::echo};
};

TEST_F(ResponseTest, WithoutRepliesNothingIsSent) {
  Rig rig(echo_);
  EXPECT_EQ(rig.response.run().moved, 0u);
  EXPECT_EQ(rig.socket().counts().send_calls, 0u);
  rig.expect_at_rest();
}

TEST_F(ResponseTest, AWholeBatchInOneCall) {
  Rig rig(echo_);
  fill(rig, 32);
  EXPECT_EQ(respond(rig, 32), numbers(0, 31));
  EXPECT_EQ(rig.socket().counts().send_calls, 1u);
  EXPECT_EQ(rig.total(Reason::answered), 32u);
  EXPECT_EQ(rig.total(Counter::sent), 32u);
  EXPECT_EQ(rig.total(Counter::syscalls), rig.socket().counts().receive_calls + 1);
}

TEST_F(ResponseTest, APartialSendIsContinuedWhereItStopped) {
  for (std::size_t k = 0; k <= 32; ++k) {
    Rig rig(echo_);
    fill(rig, 32);
    rig.socket().accept_at_most(k);
    EXPECT_EQ(respond(rig, 32), numbers(0, 31)) << k;
    EXPECT_EQ(rig.total(Reason::answered), 32u);
  }
}

TEST_F(ResponseTest, ManyPartialSends) {
  Rig rig(echo_);
  fill(rig, 32);
  for (int i = 0; i < 31; ++i) rig.socket().accept_at_most(1);
  EXPECT_EQ(respond(rig, 32), numbers(0, 31));
}

// The kernel takes the messages before k, then fails for k: k is counted, the rest is sent.
TEST_F(ResponseTest, AnErrorForMessageKOf32FailsThatOneAlone_A17) {
  for (int k = 0; k < 32; ++k) {
    Rig rig(echo_);
    fill(rig, 32);
    rig.socket().fail_send_at(static_cast<std::size_t>(k), EPERM);
    auto expected = numbers(0, 31);
    expected.erase(expected.begin() + k);
    EXPECT_EQ(respond(rig, 32), expected) << k;
    EXPECT_EQ(rig.total(Reason::failed_send_not_permitted), 1u);
    EXPECT_EQ(rig.total(Reason::answered), 31u);
    EXPECT_EQ(rig.total(Counter::sent), 31u);
    EXPECT_THAT(rig.events(), ElementsAre(test::has_error(EventKind::send_error, EPERM)));
  }
}

// As above, but the call that accepted some messages also reports the error.
TEST_F(ResponseTest, AnErrorBelongsToTheFirstMessageThatWasNotAccepted) {
  struct ErrorAfterThree final : ForwardingSocket {
    using ForwardingSocket::ForwardingSocket;
    SendResult send(std::span<const OutgoingDatagram> datagrams) noexcept override {
      if (datagrams.size() < 8) return ForwardingSocket::send(datagrams);
      return {ForwardingSocket::send(datagrams.first(3)).accepted, EMSGSIZE};
    }
  };
  RigOptions options;
  options.wrap = [](FakeSocket& socket) { return std::make_unique<ErrorAfterThree>(socket); };
  Rig rig(echo_, std::move(options));
  fill(rig, 8);
  EXPECT_THAT(respond(rig, 8), ElementsAre("0", "1", "2", "4", "5", "6", "7"));
  EXPECT_EQ(rig.total(Reason::failed_send_too_large), 1u);
}

TEST_F(ResponseTest, EveryKindOfErrorHasItsReason) {
  const std::vector<std::pair<int, Reason>> kinds = {
      {ECONNREFUSED, Reason::failed_send_refused},
      {ENETUNREACH, Reason::failed_send_unreachable},
      {EHOSTUNREACH, Reason::failed_send_unreachable},
      {ENETDOWN, Reason::failed_send_unreachable},
      {EHOSTDOWN, Reason::failed_send_unreachable},
      {ENONET, Reason::failed_send_unreachable},
      {ENODEV, Reason::failed_send_unreachable},
      {EMSGSIZE, Reason::failed_send_too_large},
      {EPERM, Reason::failed_send_not_permitted},
      {EACCES, Reason::failed_send_not_permitted},
      {ENOBUFS, Reason::failed_send_no_memory},
      {ENOMEM, Reason::failed_send_no_memory},
      {EINVAL, Reason::failed_send_other},
      {EADDRNOTAVAIL, Reason::failed_send_other},
      {EAFNOSUPPORT, Reason::failed_send_other},
      {EBADF, Reason::failed_send_other},
  };
  for (const auto& [error, reason] : kinds) {
    Rig rig(echo_);
    fill(rig, 3);
    rig.socket().fail_sends(error);
    EXPECT_THAT(respond(rig, 3), ElementsAre("1", "2")) << error;
    EXPECT_EQ(rig.total(reason), 1u) << error;
    EXPECT_EQ(rig.ledger.outcomes(), 3u);
  }
}

TEST_F(ResponseTest, AnErrorOnTheLastOfABatch) {
  Rig rig(echo_);
  fill(rig, 4);
  rig.socket().fail_send_at(3, ECONNREFUSED);
  EXPECT_THAT(respond(rig, 4), ElementsAre("0", "1", "2"));
  EXPECT_EQ(rig.total(Reason::failed_send_refused), 1u);
}

TEST_F(ResponseTest, ErrorsForAllOfABatch) {
  Rig rig(echo_);
  fill(rig, 5);
  rig.socket().fail_sends(ENETUNREACH, 5);
  EXPECT_THAT(respond(rig, 5), IsEmpty());
  EXPECT_EQ(rig.total(Reason::failed_send_unreachable), 5u);
  EXPECT_EQ(rig.total(Counter::sent), 0u);
}

TEST_F(ResponseTest, InterruptedCallsAreRepeatedAndFailNothing_A21) {
  Rig rig(echo_);
  fill(rig, 4);
  rig.socket().fail_sends(EINTR, 3);
  rig.socket().accept_at_most(2);
  rig.socket().fail_sends(EINTR, 2);
  EXPECT_THAT(respond(rig, 4), ElementsAre("0", "1", "2", "3"));
  EXPECT_EQ(rig.total(Reason::answered), 4u);
  EXPECT_THAT(rig.events(), IsEmpty());
}

TEST_F(ResponseTest, WithoutRoomInTheKernelItHoldsOnlyWhatWaits) {
  Rig rig(echo_, {.slots = 1024});  // enough for caches
  fill(rig, 10);
  rig.receive.before_wait();
  rig.service.before_wait();
  rig.socket().fail_send_at(4, EAGAIN);
  EXPECT_EQ(rig.response.run().moved, 10u);
  rig.response.before_wait();
  EXPECT_EQ(rig.ledger.in_flight(), 6u);
  EXPECT_EQ(rig.pool.free_slots().value_guess(), 1024u - 6u);
  rig.expect_ledger();
  EXPECT_EQ(respond(rig, 6), numbers(0, 9));
  EXPECT_EQ(rig.total(Reason::answered), 10u);
  EXPECT_EQ(rig.socket().counts().wait_calls, 0u) << "that is for its lane";
}

TEST_F(ResponseTest, EachSocketGetsItsOwnRepliesInTheirOrder) {
  Rig rig(echo_, {.batch = 16, .sockets = 3});
  for (int i = 0; i < 15; ++i)
    rig.deliver(std::to_string(i), client(), static_cast<std::size_t>(i % 3));
  EXPECT_THAT(rig.final_replies(0), ElementsAre("0", "3", "6", "9", "12"));
  EXPECT_THAT(rig.replies(1), ElementsAre("1", "4", "7", "10", "13"));
  EXPECT_THAT(rig.replies(2), ElementsAre("2", "5", "8", "11", "14"));
}

TEST_F(ResponseTest, SocketsMixedWithinABatchAreSentInOneCallEach) {
  // Receive takes one at a time from each, so the queue is mixed.
  Rig mixed(echo_, {.batch = 1, .sockets = 2});
  for (int i = 0; i < 6; ++i)
    mixed.deliver(std::to_string(i), client(), static_cast<std::size_t>(i % 2));
  // A response step with a larger batch takes all of them at once.
  LaneContext lane(mixed.pool, 32, 4);
  StepCost cost;
  ResponseStep response(
      {{&mixed.socket(0), &mixed.socket(1)}, mixed.store, mixed.responses, cost, 16, 1}, lane,
      mixed.ledger.open());
  mixed.receive_and_serve();
  mixed.socket(0).accept_at_most(2);
  EXPECT_EQ(response.run().moved, 6u);
  EXPECT_THAT(mixed.replies(0), ElementsAre("0", "2", "4"));
  EXPECT_THAT(mixed.replies(1), ElementsAre("1", "3", "5"));
  EXPECT_EQ(mixed.socket(0).counts().send_calls, 2u);
  EXPECT_EQ(mixed.socket(1).counts().send_calls, 1u);
  response.before_wait();
  mixed.expect_at_rest();
}

// Only the replies of the full socket wait.
TEST_F(ResponseTest, AFullSocketDoesNotHoldBackTheOthers) {
  Rig rig(echo_, {.sockets = 3});
  for (std::size_t p = 0; p < 3; ++p) fill(rig, 3, p, static_cast<int>(10 * p));
  rig.socket(0).fail_send_at(1, EAGAIN);
  rig.socket(0).fail_sends(EAGAIN, 2);
  rig.socket(2).fail_sends(EAGAIN, 1);
  EXPECT_EQ(rig.response.run().moved, 9u);
  EXPECT_EQ(rig.socket(0).sent().size(), 1u);
  EXPECT_EQ(rig.socket(1).sent().size(), 3u);
  EXPECT_EQ(rig.socket(2).sent().size(), 0u);
  rig.expect_ledger();
  EXPECT_THAT(rig.final_replies(0), ElementsAre("0", "1", "2"));
  EXPECT_THAT(rig.replies(1), ElementsAre("10", "11", "12"));
  EXPECT_THAT(rig.replies(2), ElementsAre("20", "21", "22"));
}

TEST_F(ResponseTest, WhatWasShedIsSentAndEndsAsShed) {
  Rig rig(echo_);
  fill(rig, 10);
  ASSERT_EQ(rig.mark_as_shed(2), 5);
  EXPECT_EQ(respond(rig, 10), numbers(0, 9));
  EXPECT_EQ(rig.total(Reason::answered), 5u);
  EXPECT_EQ(rig.total(Reason::shed_worker_queue_full), 5u);
  EXPECT_EQ(rig.total(Counter::sent), 10u);
  EXPECT_EQ(rig.total(Counter::busy_replies), 5u);
}

TEST_F(ResponseTest, WhatWasShedEndsAsShedWhateverTheSendSays) {
  for (const int error : {EPERM, ECONNREFUSED, ENETUNREACH, EMSGSIZE, ENOBUFS, EINVAL}) {
    Rig rig(echo_);
    fill(rig, 3);
    ASSERT_EQ(rig.mark_as_shed(2), 2);
    rig.socket().fail_sends(error);
    EXPECT_THAT(respond(rig, 3), ElementsAre("1", "2")) << error;
    EXPECT_EQ(rig.total(Reason::shed_worker_queue_full), 2u);
    EXPECT_EQ(rig.total(Reason::answered), 1u);
    EXPECT_EQ(rig.total(Counter::sent), 2u);
    EXPECT_EQ(rig.total(Counter::busy_replies), 1u);
  }
}

TEST_F(ResponseTest, WhereAllWasShedItDoesNotWaitForRoom) {
  Rig rig(echo_);
  fill(rig, 6);
  ASSERT_EQ(rig.mark_as_shed(1), 6);
  rig.socket().fail_sends(EAGAIN);
  EXPECT_EQ(rig.response.run().moved, 6u);
  EXPECT_EQ(rig.socket().counts().wait_calls, 0u);
  EXPECT_THAT(rig.replies(), IsEmpty());
  EXPECT_EQ(rig.total(Reason::shed_worker_queue_full), 6u);
  // The next messages in these slots are not marked as shed.
  fill(rig, 6);
  EXPECT_EQ(rig.response.run().moved, 6u);
  EXPECT_EQ(rig.total(Reason::answered), 6u);
  rig.expect_at_rest();
}

TEST_F(ResponseTest, RepliesInPlaceAndInWindowsByteForByte) {
  std::string all_bytes(256, '\0');
  for (std::size_t i = 0; i < 256; ++i) all_bytes[i] = static_cast<char>(i);
  CallService service([](Message& message) {
    const std::size_t size = message.request().size();
    if (static_cast<unsigned>(message.request()[0]) % 2 == 0) return message.reply_in_place(size);
    for (std::size_t i = 0; i < size; ++i) message.reply_window()[i] = ~message.request()[i];
    message.reply(size);
  });
  Rig rig(service);
  std::vector<std::string> expected;
  for (std::size_t first = 0; first < 256; ++first) {
    const std::string request = all_bytes.substr(first) + all_bytes.substr(0, first);
    rig.deliver(request, client(static_cast<unsigned>(first)));
    std::string reply = request;
    if (first % 2 == 1)
      for (char& byte : reply) byte = static_cast<char>(~byte);
    expected.push_back(reply);
  }
  EXPECT_EQ(rig.final_replies(), expected);
}

TEST_F(ResponseTest, EachReplyGoesToItsPeer) {
  Rig rig(echo_);
  fill(rig, 20);
  rig.response.run();
  const auto sent = rig.socket().take_sent();
  ASSERT_EQ(sent.size(), 20u);
  for (unsigned i = 0; i < 20; ++i) EXPECT_EQ(sent[i].peer, client(i));
  rig.expect_at_rest();
}

TEST_F(ResponseTest, WhatTheNetworkLosesWasAnsweredAllTheSame) {
  Rig rig(echo_);
  rig.socket().lose(0.5, 1);
  fill(rig, 64);
  rig.finish();
  EXPECT_EQ(rig.total(Reason::answered), 64u);
  EXPECT_EQ(rig.total(Counter::sent), 64u);
  EXPECT_LT(rig.replies().size(), 64u);
}

}  // namespace
}  // namespace cpss
