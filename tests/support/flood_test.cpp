#include "tests/support/flood.h"

#include <cerrno>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "tests/net/inbox.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;

TEST(Flood, SendsWhatItSaysFromAsManyPortsAndCountsTheReplies) {
  constexpr std::size_t kClients = 3;
  constexpr std::uint64_t kEach = 500;
  UdpSocket server(address_of("127.0.0.1"), {});
  Flood flood(server.local_address(), kClients);
  const std::vector<std::byte> payload(64);
  const Flood::Sent sent = flood.send(kEach, payload);
  EXPECT_EQ(sent.datagrams, kClients * kEach);
  EXPECT_EQ(sent.refused, 0U);

  std::set<std::uint16_t> ports;
  std::uint64_t received = 0;
  Inbox inbox(64, 64);
  while (received < sent.datagrams) {
    const std::size_t filled = inbox.wait_and_receive(server).filled;
    ASSERT_GT(filled, 0U);
    received += filled;
    for (std::size_t i = 0; i < filled; ++i) {
      EXPECT_EQ(inbox.arrival(i).length, 64U);
      ports.insert(inbox.arrival(i).peer.port());
      ASSERT_EQ(send_text(server, "ok", inbox.arrival(i).peer).accepted, 1U);
    }
  }
  EXPECT_EQ(ports.size(), kClients);

  const Flood::Replies replies = flood.receive_replies(received, 2s);
  EXPECT_EQ(replies.datagrams, received);
  EXPECT_EQ(replies.bytes, 2 * received);
  EXPECT_EQ(replies.kernel_dropped, 0U);
  EXPECT_EQ(flood.receive_replies(1, 1ms).datagrams, 0U);  // none twice
}

TEST(Flood, CountsWhatTheKernelRefuses) {
  Flood flood(address_of("127.0.0.1", 0), 1);  // port 0
  const std::vector<std::byte> payload(1);
  const Flood::Sent sent = flood.send(3, payload);
  EXPECT_EQ(sent.datagrams, 0U);
  EXPECT_EQ(sent.refused, 3U);
  EXPECT_EQ(sent.last_error, EINVAL);
}

}  // namespace
}  // namespace cpss
