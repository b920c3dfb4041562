#include "stages/response/response.h"

#include <cerrno>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "tests/stages/rig.h"

namespace cpss {
namespace {

using test::CallService;
using test::client;
using test::Rig;
using test::RigOptions;
using testing::ElementsAre;
using testing::IsEmpty;

class ResponseTest : public testing::Test {
 protected:
  // Puts `count` messages "0", "1", ... with replies into the response queue.
  static void fill(Rig& rig, int count, std::size_t socket = 0, int first = 0) {
    for (int i = first; i < first + count; ++i)
      rig.deliver(std::to_string(i), client(static_cast<unsigned>(i)), socket);
    while (rig.receive.run().moved > 0) {
    }
    while (rig.service.run().moved > 0) {
    }
  }
  static std::vector<std::string> numbers(int first, int last) {
    std::vector<std::string> texts;
    for (int i = first; i <= last; ++i) texts.push_back(std::to_string(i));
    return texts;
  }

  // Marks every message with an even number as shed; returns how many.
  static int mark_as_shed(Rig& rig) {
    int marked = 0;
    for (std::uint32_t slot = 0; slot < rig.store.slots(); ++slot) {
      if (!rig.store.holds(rig.store.message_in(slot))) continue;
      if (rig.store.header(slot).peer.port() % 2 != client(0).port() % 2) continue;
      rig.store.header(slot).shed = true;
      ++marked;
    }
    return marked;
  }

  CallService echo_{[](Message& message) { message.reply_in_place(message.request().size()); }};
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
  EXPECT_EQ(rig.response.run().moved, 32u);
  EXPECT_EQ(rig.socket().counts().send_calls, 1u);
  EXPECT_EQ(rig.replies(), numbers(0, 31));
  EXPECT_EQ(rig.total(Reason::answered), 32u);
  EXPECT_EQ(rig.total(Counter::sent), 32u);
  EXPECT_EQ(rig.total(Counter::syscalls), rig.socket().counts().receive_calls + 1);
  rig.expect_at_rest();
}

TEST_F(ResponseTest, APartialSendIsContinuedWhereItStopped) {
  for (std::size_t k = 0; k <= 32; ++k) {
    Rig rig(echo_);
    fill(rig, 32);
    rig.socket().accept_at_most(k);
    EXPECT_EQ(rig.response.run().moved, 32u);
    EXPECT_EQ(rig.replies(), numbers(0, 31)) << k;
    EXPECT_EQ(rig.total(Reason::answered), 32u);
    rig.expect_at_rest();
  }
}

TEST_F(ResponseTest, ManyPartialSends) {
  Rig rig(echo_);
  fill(rig, 32);
  for (int i = 0; i < 31; ++i) rig.socket().accept_at_most(1);
  EXPECT_EQ(rig.response.run().moved, 32u);
  EXPECT_EQ(rig.replies(), numbers(0, 31));
  rig.expect_at_rest();
}

// The kernel takes the messages before k, then fails for k: k is counted, the rest is sent.
TEST_F(ResponseTest, AnErrorForMessageKOf32FailsThatOneAlone_A17) {
  for (int k = 0; k < 32; ++k) {
    Rig rig(echo_);
    fill(rig, 32);
    rig.socket().fail_send_at(static_cast<std::size_t>(k), EPERM);
    EXPECT_EQ(rig.response.run().moved, 32u);
    auto expected = numbers(0, 31);
    expected.erase(expected.begin() + k);
    EXPECT_EQ(rig.replies(), expected) << k;
    EXPECT_EQ(rig.total(Reason::failed_send_not_permitted), 1u);
    EXPECT_EQ(rig.total(Reason::answered), 31u);
    EXPECT_EQ(rig.total(Counter::sent), 31u);
    const auto events = rig.events();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].kind, EventKind::send_error);
    EXPECT_EQ(events[0].error, EPERM);
    rig.expect_at_rest();
  }
}

// As above, but the call that accepted some messages also reports the error.
TEST_F(ResponseTest, AnErrorBelongsToTheFirstMessageThatWasNotAccepted) {
  struct ErrorAfterThree final : DatagramSocket {
    explicit ErrorAfterThree(FakeSocket& socket) : fake(socket) {}
    ReceiveResult receive(std::span<const ReceiveBuffer> buffers,
                          std::span<Arrival> arrivals) noexcept override {
      return fake.receive(buffers, arrivals);
    }
    SendResult send(std::span<const OutgoingDatagram> datagrams) noexcept override {
      if (datagrams.size() < 8) return fake.send(datagrams);
      return {fake.send(datagrams.first(3)).accepted, EMSGSIZE};
    }
    void wait_writable(std::chrono::milliseconds) noexcept override {}
    int descriptor() const noexcept override { return -1; }
    FakeSocket& fake;
  };
  RigOptions options;
  options.wrap = [](FakeSocket& socket) { return std::make_unique<ErrorAfterThree>(socket); };
  Rig rig(echo_, std::move(options));
  fill(rig, 8);
  EXPECT_EQ(rig.response.run().moved, 8u);
  EXPECT_THAT(rig.replies(), ElementsAre("0", "1", "2", "4", "5", "6", "7"));
  EXPECT_EQ(rig.total(Reason::failed_send_too_large), 1u);
  rig.expect_at_rest();
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
    EXPECT_EQ(rig.response.run().moved, 3u);
    EXPECT_THAT(rig.replies(), ElementsAre("1", "2")) << error;
    EXPECT_EQ(rig.total(reason), 1u) << error;
    EXPECT_EQ(rig.ledger.outcomes(), 3u);
    rig.expect_at_rest();
  }
}

TEST_F(ResponseTest, AnErrorOnTheLastOfABatch) {
  Rig rig(echo_);
  fill(rig, 4);
  rig.socket().fail_send_at(3, ECONNREFUSED);
  EXPECT_EQ(rig.response.run().moved, 4u);
  EXPECT_THAT(rig.replies(), ElementsAre("0", "1", "2"));
  EXPECT_EQ(rig.total(Reason::failed_send_refused), 1u);
  rig.expect_at_rest();
}

TEST_F(ResponseTest, ErrorsForAllOfABatch) {
  Rig rig(echo_);
  fill(rig, 5);
  rig.socket().fail_sends(ENETUNREACH, 5);
  EXPECT_EQ(rig.response.run().moved, 5u);
  EXPECT_THAT(rig.replies(), IsEmpty());
  EXPECT_EQ(rig.total(Reason::failed_send_unreachable), 5u);
  EXPECT_EQ(rig.total(Counter::sent), 0u);
  rig.expect_at_rest();
}

TEST_F(ResponseTest, InterruptedCallsAreRepeatedAndFailNothing_A21) {
  Rig rig(echo_);
  fill(rig, 4);
  rig.socket().fail_sends(EINTR, 3);
  rig.socket().accept_at_most(2);
  rig.socket().fail_sends(EINTR, 2);
  EXPECT_EQ(rig.response.run().moved, 4u);
  EXPECT_THAT(rig.replies(), ElementsAre("0", "1", "2", "3"));
  EXPECT_EQ(rig.total(Reason::answered), 4u);
  EXPECT_THAT(rig.events(), IsEmpty());
  rig.expect_at_rest();
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
  EXPECT_EQ(rig.response.run().moved, 6u);
  EXPECT_EQ(rig.replies(), numbers(0, 9));
  EXPECT_EQ(rig.total(Reason::answered), 10u);
  EXPECT_EQ(rig.socket().counts().wait_calls, 0u) << "that is for its lane";
  rig.expect_at_rest();
}

TEST_F(ResponseTest, EachSocketGetsItsOwnRepliesInTheirOrder) {
  RigOptions options;
  options.sockets = 3;
  options.batch = 16;
  Rig rig(echo_, std::move(options));
  for (int i = 0; i < 15; ++i)
    rig.deliver(std::to_string(i), client(), static_cast<std::size_t>(i % 3));
  ASSERT_TRUE(rig.settle());
  EXPECT_THAT(rig.replies(0), ElementsAre("0", "3", "6", "9", "12"));
  EXPECT_THAT(rig.replies(1), ElementsAre("1", "4", "7", "10", "13"));
  EXPECT_THAT(rig.replies(2), ElementsAre("2", "5", "8", "11", "14"));
  rig.expect_at_rest();
}

TEST_F(ResponseTest, SocketsMixedWithinABatchAreSentInOneCallEach) {
  RigOptions options;
  options.sockets = 2;
  options.batch = 1;  // receive takes one at a time from each, so the queue is mixed
  Rig mixed(echo_, std::move(options));
  for (int i = 0; i < 6; ++i)
    mixed.deliver(std::to_string(i), client(), static_cast<std::size_t>(i % 2));
  // A response step with a larger batch takes all of them at once.
  LaneContext lane(mixed.pool, 32, 4);
  StepCost cost;
  ResponseStep response(
      {{&mixed.socket(0), &mixed.socket(1)}, mixed.store, mixed.responses, cost, 16, 1}, lane,
      mixed.ledger.open());
  while (mixed.receive.run().moved + mixed.service.run().moved > 0) {
  }
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
  ASSERT_TRUE(rig.settle());
  EXPECT_THAT(rig.replies(0), ElementsAre("0", "1", "2"));
  EXPECT_THAT(rig.replies(1), ElementsAre("10", "11", "12"));
  EXPECT_THAT(rig.replies(2), ElementsAre("20", "21", "22"));
  rig.expect_at_rest();
}

TEST_F(ResponseTest, WhatWasShedIsSentAndEndsAsShed) {
  Rig rig(echo_);
  fill(rig, 10);
  ASSERT_EQ(mark_as_shed(rig), 5);
  EXPECT_EQ(rig.response.run().moved, 10u);
  EXPECT_EQ(rig.replies(), numbers(0, 9));
  EXPECT_EQ(rig.total(Reason::answered), 5u);
  EXPECT_EQ(rig.total(Reason::shed_worker_queue_full), 5u);
  EXPECT_EQ(rig.total(Counter::sent), 10u);
  EXPECT_EQ(rig.total(Counter::busy_replies), 5u);
  rig.expect_at_rest();
}

TEST_F(ResponseTest, WhatWasShedEndsAsShedWhateverTheSendSays) {
  for (const int error : {EPERM, ECONNREFUSED, ENETUNREACH, EMSGSIZE, ENOBUFS, EINVAL}) {
    Rig rig(echo_);
    fill(rig, 3);
    ASSERT_EQ(mark_as_shed(rig), 2);
    rig.socket().fail_sends(error);
    EXPECT_EQ(rig.response.run().moved, 3u);
    EXPECT_THAT(rig.replies(), ElementsAre("1", "2")) << error;
    EXPECT_EQ(rig.total(Reason::shed_worker_queue_full), 2u);
    EXPECT_EQ(rig.total(Reason::answered), 1u);
    EXPECT_EQ(rig.total(Counter::sent), 2u);
    EXPECT_EQ(rig.total(Counter::busy_replies), 1u);
    rig.expect_at_rest();
  }
}

TEST_F(ResponseTest, WhereAllWasShedItDoesNotWaitForRoom) {
  Rig rig(echo_);
  fill(rig, 6);
  for (std::uint32_t slot = 0; slot < rig.store.slots(); ++slot) rig.store.header(slot).shed = true;
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
  ASSERT_TRUE(rig.settle());
  EXPECT_EQ(rig.replies(), expected);
  rig.expect_at_rest();
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
  ASSERT_TRUE(rig.settle());
  EXPECT_EQ(rig.total(Reason::answered), 64u);
  EXPECT_EQ(rig.total(Counter::sent), 64u);
  EXPECT_LT(rig.replies().size(), 64u);
  rig.expect_at_rest();
}

}  // namespace
}  // namespace cpss
