// A fixed address for replies (CPSS_RESP_ADDR): where they arrive, and which addresses are refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/udp_socket.h"
#include "tests/end_to_end/flooded_server.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/end_to_end/variable_test.h"

namespace cpss {
namespace {

using testing::AllOf;
using testing::HasSubstr;

SocketAddress address(const char* ip, std::uint16_t port) {
  return {*IpAddress::parse(ip), port};
}

// A port that was free a moment ago.
std::uint16_t free_port() {
  return UdpSocket(address("127.0.0.1", 0), {}).local_address().port();
}

class ReplyAddress : public VariableTest {};

TEST_F(ReplyAddress, RepliesGoToTheFixedAddressAndNotToTheSender) {
  for (const char* listen : {"127.0.0.1:0", "0.0.0.0:0"}) {
    SCOPED_TRACE(listen);
    UdpClient target(address("127.0.0.1", 9));
    ServerProcess server(
        program::kServer,
        echo_with({{"CPSS_LISTEN", listen}, {"CPSS_RESP_ADDR", target.address().to_string()}}));
    const SocketAddress asked = address("127.0.0.1", server.port());
    UdpClient client(asked);
    for (int i = 0; i < 20; ++i) {
      const std::string request = "request " + std::to_string(i);
      ASSERT_EQ(client.send(request), 0);
      ASSERT_EQ(target.receive(), request);
      EXPECT_EQ(target.last_peer().port(), asked.port());
    }
    EXPECT_FALSE(client.receive(std::chrono::milliseconds(50)));
    server.expect_clean_end();
    EXPECT_EQ(server.ledger("answered"), 20u);
  }
}

TEST_F(ReplyAddress, RepliesToOurselvesAreRefused) {
  const std::string port = ":" + std::to_string(free_port());
  const std::pair<const char*, const char*> cases[] = {
      {"127.0.0.1", "127.0.0.1"}, {"0.0.0.0", "127.0.0.1"}, {"0.0.0.0", "127.1.2.3"},
      {"127.0.0.1", "0.0.0.0"},   {"0.0.0.0", "0.0.0.0"},   {"[::]", "127.0.0.1"},
      {"[::]", "[::1]"},          {"[::1]", "[::]"},        {"127.0.0.1", "[::ffff:127.0.0.1]"}};
  for (const auto& [listen, reply] : cases) {
    SCOPED_TRACE(std::string(listen) + " and " + reply);
    const Finished result =
        refused({{"CPSS_LISTEN", listen + port}, {"CPSS_RESP_ADDR", reply + port}});
    EXPECT_EQ(result.code, 78);
    EXPECT_THAT(result.errors, HasSubstr("CPSS_RESP_ADDR"));
  }
}

TEST_F(ReplyAddress, AnotherPortOfOursIsNotOurselves) {
  UdpClient target(address("127.0.0.1", 9));
  ServerProcess server(program::kServer,
                       echo_with({{"CPSS_LISTEN", "127.0.0.1:0,127.0.0.2:0"},
                                  {"CPSS_RESP_ADDR", target.address().to_string()}}));
  for (const std::size_t listener : {0u, 1u}) {
    UdpClient client(server.address(listener));
    EXPECT_EQ(client.send("hello"), 0);
    EXPECT_EQ(target.receive(), "hello");
    EXPECT_EQ(target.last_peer(), server.address(listener)) << "the socket that received it";
  }
  server.expect_clean_end();
}

TEST_F(ReplyAddress, RepliesToAnotherAddressFamilyAreRefused) {
  const Finished result = refused({{"CPSS_RESP_ADDR", "[::1]:4000"}});
  EXPECT_EQ(result.code, 78);
  EXPECT_THAT(result.errors, AllOf(HasSubstr("CPSS_RESP_ADDR"), HasSubstr("another address family"),
                                   HasSubstr("127.0.0.1:")));
}

// From a loopback address the kernel sends nothing to another host.
constexpr const char* kNoWayThere = "192.0.2.1:4000";

TEST_F(ReplyAddress, RepliesThatCannotBeSentAreCountedAndTheServerGoesOn) {
  ServerProcess server(program::kServer, echo_with({{"CPSS_RESP_ADDR", kNoWayThere}}));
  UdpClient client(server.address());
  for (int i = 0; i < 100; ++i) ASSERT_EQ(client.send("request"), 0);
  server.wait_until_idle(100);
  EXPECT_TRUE(server.process().running());
  EXPECT_EQ(server.ledger("failed"), 100u);
  EXPECT_EQ(server.ledger("sent"), 0u);
  server.expect_clean_end();
  EXPECT_THAT(server.process().errors(), testing::ContainsRegex("lane-[0-9]"));
}

// If no socket listens there the kernel takes a reply and drops it: a UDP socket that is not
// connected does not hear of it.
TEST_F(ReplyAddress, RepliesToAPortWhereNobodyListensHarmNobody) {
  const std::string nobody = "127.0.0.1:" + std::to_string(free_port());
  ServerProcess server(program::kServer, echo_with({{"CPSS_RESP_ADDR", nobody}}));
  UdpClient client(server.address());
  for (int i = 0; i < 100; ++i) ASSERT_EQ(client.send("request"), 0);
  server.wait_until_idle(100);
  EXPECT_TRUE(server.process().running());
  EXPECT_EQ(server.ledger("answered") + server.reason("failed.send_refused"), 100u);
  server.expect_clean_end();
}

// Busy replies go to the fixed address, too.
class FixedAddressUnderOverload : public VariableTest {
 protected:
  static constexpr int kRequests = 5000;

  Environment overloaded(const std::string& reply_address) {
    return {{"CPSS_RESP_ADDR", reply_address},
            {"CPSS_OVERLOAD", "shed"},
            {"CPSS_BUSY_RATE", "1000000"},
            {"CPSS_QSLOTS", "1"}};
  }
  void flood(ServerProcess& server) {
    FloodAccount account(server);
    UdpClient client(server.address());
    for (int i = 0; i < kRequests; ++i)
      ASSERT_EQ(client.send(lookup_request("+12025550123", static_cast<std::uint64_t>(i))), 0);
    account.add(kRequests);
    account.wait_until_all_taken();
    EXPECT_FALSE(client.receive(std::chrono::milliseconds(50)));
  }
};

TEST_F(FixedAddressUnderOverload, BusyRepliesGoThereToo) {
  UdpClient target(address("127.0.0.1", 9));
  ServerProcess server(program::kServer, overloaded(target.address().to_string()));
  flood(server);
  constexpr char kBusy = 3;
  bool busy = false;
  bool found = false;
  while (const auto reply = target.receive(std::chrono::milliseconds(100)))
    (reply->at(5) == kBusy ? busy : found) = true;
  server.expect_clean_end();
  EXPECT_GT(server.ledger("shed"), 0u) << "that was no overload";
  EXPECT_TRUE(busy);
  EXPECT_TRUE(found);
}

TEST_F(FixedAddressUnderOverload, BusyRepliesThatCannotBeSentAreShedAllTheSame) {
  ServerProcess server(program::kServer, overloaded(kNoWayThere));
  flood(server);
  server.expect_clean_end();
  EXPECT_GT(server.ledger("shed"), 0u) << "that was no overload";
  EXPECT_EQ(server.ledger("sent"), 0u);
  EXPECT_EQ(server.ledger("shed") + server.ledger("failed"), server.ledger("received"));
}

}  // namespace
}  // namespace cpss
