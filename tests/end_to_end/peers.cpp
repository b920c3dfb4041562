#include "tests/end_to_end/peers.h"

#include <gtest/gtest.h>

#include "tests/end_to_end/test_services.h"

namespace cpss {
namespace {

constexpr char kFirst = 'm';  // of each message; busy replies have their mark there

// The message that was sent, from an echo or from its busy reply.
std::string message_of(std::string reply) {
  if (!reply.empty()) reply.front() = kFirst;
  return reply;
}

}  // namespace

Peers::Peers(const SocketAddress& server, std::size_t clients) {
  const SocketAddress any = server.family() == AF_INET6
                                ? SocketAddress(*IpAddress::parse("::1"), 0)
                                : SocketAddress(*IpAddress::parse("127.0.0.1"), 0);
  for (std::size_t i = 0; i < clients; ++i) peers_.emplace_back(server, any);
}

void Peers::send(std::size_t each) {
  for (std::size_t i = 0; i < each; ++i) {
    for (Peer& peer : peers_) {
      const std::string message = kFirst + ("essage " + std::to_string(sent_++));
      ASSERT_EQ(peer.client.send(message), 0);
      peer.unanswered.insert(message);
    }
  }
}

Peers::Replies Peers::receive() {
  Replies replies;
  for (Peer& peer : peers_) {
    while (!peer.unanswered.empty()) {
      const auto reply = peer.client.receive();
      if (!reply) break;
      EXPECT_EQ(peer.unanswered.erase(message_of(*reply)), 1u) << *reply;
      ++(reply->front() == kBusyMark ? replies.busy : replies.echoes);
    }
  }
  return replies;
}

}  // namespace cpss
