#include "tests/support/fake_socket.h"

#include <array>
#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/net/inbox.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

const SocketAddress kPeer = address_of("192.0.2.1", 5060);

// A batch of one-byte datagrams 'a', 'b', ... to kPeer.
class Outbox {
 public:
  explicit Outbox(std::size_t size) : bytes_(size), datagrams_(size) {
    for (std::size_t i = 0; i < size; ++i) {
      bytes_[i] = static_cast<std::byte>('a' + i % 26);
      datagrams_[i] = {&bytes_[i], 1, &kPeer, nullptr};
    }
  }
  std::span<const OutgoingDatagram> from(std::size_t first) const {
    return std::span(datagrams_).subspan(first);
  }

 private:
  std::vector<std::byte> bytes_;
  std::vector<OutgoingDatagram> datagrams_;
};

std::string text_of(const std::vector<FakeSocket::Sent>& sent) {
  std::string text;
  for (const auto& datagram : sent)
    for (const std::byte byte : datagram.bytes) text += static_cast<char>(byte);
  return text;
}

TEST(FakeSocket, DeliversTheScriptInOrderAndInBatches) {
  FakeSocket socket;
  const LocalAddress local{*IpAddress::parse("192.0.2.9"), 3};
  socket.deliver({.bytes = bytes_of("one"), .peer = kPeer, .local = local});
  socket.deliver({.bytes = bytes_of(""), .peer = kPeer});
  socket.deliver({.bytes = bytes_of("merged"), .peer = kPeer, .segment_size = 4});
  socket.deliver({.bytes = bytes_of("too long!"), .peer = kPeer, .to_group = true});
  Inbox inbox(3, 8);
  ASSERT_EQ(inbox.receive(socket).filled, 3U);
  EXPECT_EQ(inbox.text(0), "one");
  EXPECT_EQ(inbox.arrival(0).peer, kPeer);
  EXPECT_EQ(inbox.arrival(0).local, local);
  EXPECT_EQ(inbox.arrival(1).length, 0U);
  EXPECT_EQ(inbox.arrival(1).datagrams(), 1U);
  EXPECT_EQ(inbox.arrival(2).datagrams(), 2U);
  EXPECT_FALSE(inbox.arrival(2).truncated);
  EXPECT_FALSE(socket.all_received());

  ASSERT_EQ(inbox.receive(socket).filled, 1U);
  EXPECT_EQ(inbox.text(0), "too long");
  EXPECT_TRUE(inbox.arrival(0).truncated);
  EXPECT_TRUE(inbox.arrival(0).to_group);
  EXPECT_FALSE(inbox.arrival(0).local.known());
  EXPECT_TRUE(socket.all_received());
  EXPECT_EQ(inbox.receive(socket).filled, 0U);
  EXPECT_EQ(socket.counts().receive_calls, 3U);
}

TEST(FakeSocket, EndsBatchesAndFailsReceivesWhereToldTo) {
  FakeSocket socket;
  socket.deliver({.bytes = bytes_of("a"), .peer = kPeer});
  socket.end_batch();
  socket.deliver({.bytes = bytes_of("b"), .peer = kPeer});
  socket.fail_receive(ECONNREFUSED);
  socket.end_batch();
  Inbox inbox(4, 8);
  const auto next = [&] {
    const ReceiveResult result = inbox.receive(socket);
    return std::pair(result.filled, result.error);
  };
  EXPECT_EQ(next(), std::pair(std::size_t{1}, 0));
  EXPECT_EQ(next(), std::pair(std::size_t{1}, 0));
  EXPECT_EQ(next(), std::pair(std::size_t{0}, ECONNREFUSED));
  EXPECT_EQ(next(), std::pair(std::size_t{0}, 0));
  EXPECT_TRUE(socket.all_received());
}

TEST(FakeSocket, RecordsWhatWasSent) {
  FakeSocket socket;
  const auto bytes = bytes_of("reply");
  const LocalAddress local{*IpAddress::parse("192.0.2.9"), 0};
  const OutgoingDatagram datagram{bytes.data(), bytes.size(), &kPeer, &local};
  EXPECT_EQ(socket.send({&datagram, 1}).accepted, 1U);
  const auto sent = socket.take_sent();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].bytes, bytes);
  EXPECT_EQ(sent[0].peer, kPeer);
  EXPECT_EQ(sent[0].local, local);
  EXPECT_TRUE(socket.sent().empty());
  EXPECT_EQ(socket.counts().accepted, 1U);
}

TEST(FakeSocket, FollowsSendPlansCallByCall) {
  FakeSocket socket;
  socket.accept_at_most(2);
  socket.fail_sends(EAGAIN, 2);
  socket.fail_send_at(1, EPERM);
  const Outbox out(6);
  std::vector<std::pair<std::size_t, int>> results;
  for (std::size_t done = 0; done < 6;) {
    const SendResult result = socket.send(out.from(done));
    results.emplace_back(result.accepted, result.error);
    done += result.accepted + (result.error == EPERM ? 1 : 0);
  }
  EXPECT_THAT(results, ElementsAre(std::pair(2, 0), std::pair(0, EAGAIN), std::pair(0, EAGAIN),
                                   std::pair(1, 0), std::pair(0, EPERM), std::pair(2, 0)));
  EXPECT_EQ(text_of(socket.sent()), "abcef");
  EXPECT_EQ(socket.counts().send_calls, 6U);
}

TEST(FakeSocket, RefusesADatagramAsTheKernelDoes) {
  FakeSocket socket;
  socket.refuse([](const OutgoingDatagram& datagram) {
    return *datagram.data == std::byte{'c'} ? EINVAL : 0;
  });
  const Outbox out(4);
  EXPECT_EQ(socket.send(out.from(0)).accepted, 2U);
  EXPECT_EQ(socket.send(out.from(2)).error, EINVAL);
  EXPECT_EQ(socket.send(out.from(2)).error, EINVAL);
  EXPECT_EQ(socket.send(out.from(3)).accepted, 1U);
  EXPECT_EQ(text_of(socket.sent()), "abd");
}

TEST(FakeSocket, LosesTheSameDatagramsForTheSameSeed) {
  const Outbox out(2000);
  std::array<std::string, 3> kept;
  const std::array<std::uint64_t, 3> seeds{1, 1, 2};
  for (std::size_t run = 0; run < kept.size(); ++run) {
    FakeSocket socket;
    socket.lose(0.25, seeds[run]);
    EXPECT_EQ(socket.send(out.from(0)).accepted, 2000U);
    kept[run] = text_of(socket.sent());
    EXPECT_EQ(socket.counts().accepted, kept[run].size() + socket.counts().lost);
    EXPECT_NEAR(static_cast<double>(socket.counts().lost), 500, 100);
  }
  EXPECT_EQ(kept[0], kept[1]);
  EXPECT_NE(kept[0], kept[2]);
}

TEST(TamperSocket, DropsEveryNthAcrossCalls) {
  FakeSocket inner;
  TamperSocket socket(inner, {.how = TamperSocket::How::drop, .every = 3});
  const Outbox out(7);
  EXPECT_EQ(socket.send(out.from(5)).accepted, 2U);  // f g
  EXPECT_EQ(socket.send(out.from(0)).accepted, 7U);  // a b c d e f g
  EXPECT_EQ(text_of(inner.sent()), "fgbcef");        // without number 3, 6 and 9
  EXPECT_EQ(socket.tampered(), 3U);
}

TEST(TamperSocket, RepeatsEveryNth) {
  FakeSocket inner;
  TamperSocket socket(inner, {.how = TamperSocket::How::repeat, .every = 2});
  const Outbox out(5);
  EXPECT_EQ(socket.send(out.from(0)).accepted, 5U);
  EXPECT_EQ(text_of(inner.sent()), "abbcdde");
  EXPECT_EQ(socket.tampered(), 2U);
}

TEST(TamperSocket, DelaysEveryNth) {
  FakeSocket inner;
  TamperSocket socket(inner, {.how = TamperSocket::How::delay, .every = 2, .delay = 50ms});
  const Outbox out(4);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(socket.send(out.from(0)).accepted, 4U);
  EXPECT_EQ(text_of(inner.sent()), "ac");
  while (inner.counts().accepted < 4 && std::chrono::steady_clock::now() - start < 10s)
    std::this_thread::sleep_for(1ms);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 50ms);
  EXPECT_EQ(text_of(inner.sent()), "acbd");
  EXPECT_EQ(socket.tampered(), 2U);
}

// A datagram that the inner socket refuses is refused to the caller, at the same place.
TEST(TamperSocket, PassesOnPartialSendsAndErrors) {
  FakeSocket inner;
  TamperSocket socket(inner, {.how = TamperSocket::How::repeat, .every = 3});
  const Outbox out(6);
  inner.accept_at_most(1);
  EXPECT_EQ(socket.send(out.from(0)).accepted, 1U);
  inner.fail_sends(EAGAIN);
  EXPECT_EQ(socket.send(out.from(1)).error, EAGAIN);
  inner.accept_at_most(1);  // b
  inner.fail_sends(EPERM);  // c, the one to be repeated
  const SendResult result = socket.send(out.from(1));
  EXPECT_EQ(result.accepted, 1U);
  EXPECT_EQ(result.error, EPERM);
  EXPECT_EQ(socket.send(out.from(2)).accepted, 4U);
  EXPECT_EQ(text_of(inner.sent()), "abccdeff");
}

}  // namespace
}  // namespace cpss
