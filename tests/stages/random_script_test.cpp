// The whole way of a message on one thread, by random scripts: they choose what arrives, which step
// runs next, and how each send ends. In each of them every message ends in exactly one way, and the
// replies are right to the byte. With and without shedding.
#include <cerrno>
#include <iterator>
#include <map>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include "tests/stages/rig.h"

namespace cpss {
namespace {

using test::address;
using test::client;
using test::Rig;
using test::RigOptions;

// Requests are an id of six digits, a letter that says what to do with it, and padding.
constexpr std::size_t kIdBytes = 6;
constexpr std::size_t kRequestBytes = 16;
constexpr std::size_t kWindow = 64;
constexpr std::string_view kReplying = "ewd";
constexpr std::string_view kSilent = "nirt0DL";

class ObedientService final : public OneMessageService {
 public:
  void answer(Message& message, LaneState*) override {
    switch (test::request_of(message)[kIdBytes]) {
      case 'e':
        return message.reply_in_place(message.request().size());
      case 'w':
        return reply_in_window(message);
      case 'd':
      case 'D':
        return message.defer();
      case 'n':
        return message.no_reply();
      default:
        return not_reply(message);
    }
  }
  void process_deferred(Message& message, LaneState*) override {
    if (test::request_of(message)[kIdBytes] == 'd')
      reply_in_window(message);
    else
      message.defer();
  }

  void busy_reply(Message& message) const override {
    switch (test::request_of(message)[kIdBytes]) {
      case 'e':
      case 'w':
        return test::reply_with(message, busy(test::request_of(message)));
      default:
        return not_reply(message);
    }
  }

  static std::string busy(std::string_view request) {
    return std::string(request.substr(0, kIdBytes)) + "#busy";
  }
  static std::string expected(std::string_view request) {
    std::string reply(request);
    if (request[kIdBytes] != 'e') std::reverse(reply.begin() + kIdBytes, reply.end());
    return reply;
  }

 private:
  // What it does in the same way whether it is busy or not.
  static void not_reply(Message& message) {
    switch (test::request_of(message)[kIdBytes]) {
      case 'i':
        return message.invalid(InvalidReason::bad_magic);
      case 'r':
        return message.refuse(RefuseReason::by_service);
      case 't':
        throw std::runtime_error("asked to");
      case 'L':
        return message.reply(message.request().size() + 1);
      default:
        return;
    }
  }
  static void reply_in_window(Message& message) {
    test::reply_with(message, expected(test::request_of(message)));
  }
};

class Script {
 public:
  // With `busy_rate` a datagram that finds no slot is shed.
  Script(std::uint32_t slots, unsigned seed, std::optional<std::uint32_t> busy_rate = {})
      : random_(seed), rig_(service_, options(slots, seed, busy_rate)) {}

  void play() {
    for (int i = 0; i < 150; ++i) {
      act();
      ASSERT_EQ(rig_.total(Counter::received), rig_.ledger.outcomes() + rig_.ledger.in_flight());
    }
    const bool settled = rig_.settle();
    ASSERT_TRUE(settled) << "it does not come to rest";
    check();
  }

 private:
  static constexpr std::size_t kSockets = 2;

  struct Expected {
    std::string reply;
    SocketAddress peer;
    LocalAddress local;
    std::size_t socket;
  };

  static RigOptions options(std::uint32_t slots, unsigned seed,
                            std::optional<std::uint32_t> busy_rate) {
    RigOptions options;
    options.busy_rate = busy_rate;
    if (seed % 3 == 0) options.send_wait = {};
    options.slots = slots;
    options.window = kWindow;
    options.batch = 8;
    options.sockets = kSockets;
    options.access_control = test::allowing("192.0.2.0", 24);
    return options;
  }

  std::size_t draw(std::size_t below) {
    return std::uniform_int_distribution<std::size_t>(0, below - 1)(random_);
  }

  void act() {
    switch (draw(12)) {
      case 0:
      case 1:
      case 2:
        return arrive(1);
      case 3:
        return arrive(1 + draw(kWindow / kRequestBytes));
      case 4:
        return arrive_bad();
      case 5:
        return plan_send();
      case 6:
        return draw(2) == 0 ? any_socket().end_batch() : any_socket().fail_receive(ECONNREFUSED);
      case 7:
      case 8:
        rig_.receive.run();
        return;
      case 9:
        rig_.service.run();
        return;
      case 10:
        rig_.response.run();
        return;
      default:
        rig_.before_wait();
    }
  }

  FakeSocket& any_socket() { return rig_.socket(draw(kSockets)); }

  // `segments` requests of one peer; if several, in one buffer, as the kernel merges them.
  void arrive(std::size_t segments) {
    const std::size_t socket = draw(kSockets);
    FakeSocket::Incoming incoming;
    incoming.peer = client(next_id_);
    if (draw(2) == 0) incoming.local = {IpAddress::parse("203.0.113.7").value(), 2};
    for (std::size_t i = 0; i < segments; ++i) {
      std::string request = std::to_string(next_id_++);
      request.insert(0, kIdBytes - request.size(), '0');
      const std::string_view kinds = draw(4) > 0 ? kReplying : kSilent;
      request += kinds[draw(kinds.size())];
      const std::size_t size = i + 1 < segments ? kRequestBytes : kRequestBytes - draw(6);
      while (request.size() < size) request += static_cast<char>(draw(256));
      if (kinds == kReplying)
        expected_[request.substr(0, kIdBytes)] = {ObedientService::expected(request), incoming.peer,
                                                  incoming.local, socket};
      const auto bytes = bytes_of(request);
      incoming.bytes.insert(incoming.bytes.end(), bytes.begin(), bytes.end());
    }
    if (segments > 1) incoming.segment_size = kRequestBytes;
    delivered_ += segments;
    rig_.socket(socket).deliver(std::move(incoming));
  }

  void arrive_bad() {
    ++delivered_;
    switch (draw(4)) {
      case 0:
        return rig_.deliver("", client(), draw(kSockets));
      case 1:
        return rig_.deliver(std::string(kWindow + 1, 'e'), client(), draw(kSockets));
      case 2:
        return rig_.deliver("000000e", address("192.0.2.1", 0), draw(kSockets));
      default:
        return rig_.deliver("000000e", address("198.51.100.1", 4000), draw(kSockets));
    }
  }

  void plan_send() {
    constexpr int kErrors[] = {EPERM, ECONNREFUSED, EAGAIN, EINTR, EMSGSIZE};
    const int error = kErrors[draw(std::size(kErrors))];
    switch (draw(3)) {
      case 0:
        return any_socket().accept_at_most(draw(4));
      case 1:
        return any_socket().fail_sends(error, 1 + draw(3));
      default:
        return any_socket().fail_send_at(draw(8), error);
    }
  }

  void check() {
    std::uint64_t accepted = 0;
    std::uint64_t busy_replies = 0;
    for (std::size_t p = 0; p < kSockets; ++p) {
      accepted += rig_.socket(p).counts().accepted;
      for (const FakeSocket::Sent& sent : rig_.socket(p).take_sent()) {
        const std::string reply = test::text_of(sent.bytes);
        const auto expected = expected_.find(reply.substr(0, kIdBytes));
        ASSERT_NE(expected, expected_.end()) << "not asked, or answered twice: " << reply;
        if (reply == ObedientService::busy(reply))
          ++busy_replies;
        else
          EXPECT_EQ(reply, expected->second.reply);
        EXPECT_EQ(sent.peer, expected->second.peer);
        EXPECT_EQ(sent.local, expected->second.local);
        EXPECT_EQ(p, expected->second.socket);
        expected_.erase(expected);
      }
    }
    // The requests still in expected_ were refused by the socket, or shed without a reply.
    std::uint64_t not_sent = 0;
    for (const ReasonInfo& reason : kReasons)
      if (reason.name.starts_with("send_")) not_sent += rig_.total(reason.id);
    EXPECT_GE(expected_.size(), not_sent);
    EXPECT_LE(expected_.size(), not_sent + rig_.total(Reason::shed_no_slot) - busy_replies);
    EXPECT_EQ(rig_.total(Counter::busy_replies), busy_replies);
    EXPECT_EQ(rig_.total(Reason::answered) + busy_replies, accepted);
    EXPECT_EQ(rig_.total(Counter::sent), accepted);
    EXPECT_EQ(rig_.total(Counter::received), delivered_);
    EXPECT_EQ(rig_.total(Reason::failed_stale_slot), 0u);
    rig_.expect_at_rest();
  }

  std::mt19937 random_;
  ObedientService service_;
  Rig rig_;
  unsigned next_id_ = 1;
  std::uint64_t delivered_ = 0;
  std::map<std::string, Expected> expected_;
};

class RandomScript : public testing::TestWithParam<std::uint32_t> {};

TEST_P(RandomScript, EveryMessageEndsOnceAndTheLedgerBalances) {
  for (unsigned seed = 1; seed <= 1000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Script(GetParam(), seed).play();
    if (testing::Test::HasFailure()) return;
  }
}

TEST_P(RandomScript, SheddingTheLedgerBalancesAfterEveryStep) {
  for (unsigned seed = 1; seed <= 500; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Script(GetParam(), seed, seed % 3 == 0 ? seed % 5 : 10'000'000).play();
    if (testing::Test::HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Slots, RandomScript, testing::Values(1, 2, 3, 64),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace cpss
