// Datagrams that are not good requests, sent to the real server: each is counted under its own
// reason and not answered; after each a good request is answered, and the ledger balances.
#include <string>

#include <gtest/gtest.h>

#include "services/native_wire.h"
#include "tests/end_to_end/programs.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/udp_client.h"
#include "tests/support/namespace.h"

namespace cpss {
namespace {

class Datagrams : public testing::Test {
 protected:
  // Sends `payload`; expects that its reason is counted once more, and that a good request is
  // answered.
  void expect_counted(const std::string& payload, const std::string& reason) {
    SCOPED_TRACE(reason + ", " + std::to_string(payload.size()) + " bytes");
    const std::uint64_t before = server_.reason(reason);
    ASSERT_EQ(client_.send(payload), 0);
    server_.wait_until_idle(++sent_);
    EXPECT_EQ(server_.reason(reason), before + 1);
    expect_good_request_answered();
    EXPECT_FALSE(client_.receive(std::chrono::milliseconds(0))) << "answered what is no request";
  }
  void expect_good_request_answered() {
    const std::string request = lookup_request("+12025550123", ++transaction_);
    const auto reply = client_.ask(request);
    ++sent_;
    ASSERT_TRUE(reply);
    const auto header = native::read_header(std::as_bytes(std::span(*reply)));
    ASSERT_TRUE(header);
    EXPECT_EQ(header->transaction, transaction_);
    EXPECT_EQ(header->kind, 2);
    EXPECT_EQ(header->code, 0);
    EXPECT_EQ(reply->size(), request.size());
  }

  ServerProcess server_{program::kServer, {{"CPSS_TRUSTED", ""}}};
  UdpClient client_{server_.address()};
  std::uint64_t sent_ = 0;
  std::uint64_t transaction_ = 0;
};

TEST_F(Datagrams, Empty) {
  expect_counted("", "invalid.empty");
  server_.expect_clean_end();
}

TEST_F(Datagrams, ShorterThanTheHeader) {
  for (std::size_t size = 1; size < 16; ++size)
    expect_counted(lookup_request("1202").substr(0, size), "invalid.too_short");
  server_.expect_clean_end();
}

TEST_F(Datagrams, LargerThanTheWindow) {
  // Exactly the window is a good request.
  ASSERT_TRUE(client_.ask(lookup_request("12025550123", 7, 1024)));
  ++sent_;
  expect_counted(lookup_request("12025550123", 1, 1025), "invalid.truncated");
  expect_counted(lookup_request("12025550123", 1, 65'507), "invalid.truncated");
  server_.expect_clean_end();
}

TEST_F(Datagrams, WrongMagicVersionKind) {
  const auto changed = [](std::size_t offset, char value) {
    std::string request = lookup_request("12025550123");
    request[offset] = value;
    return request;
  };
  expect_counted(changed(0, 'X'), "invalid.bad_magic");
  expect_counted(changed(1, 'X'), "invalid.bad_magic");
  expect_counted(changed(2, 9), "invalid.bad_version");
  expect_counted(changed(3, 9), "invalid.malformed");
  server_.expect_clean_end();
}

TEST_F(Datagrams, OwnReplySentBack) {
  const auto reply = client_.ask(lookup_request("12025550123"));
  ++sent_;
  ASSERT_TRUE(reply);
  expect_counted(*reply, "invalid.wrong_direction");
  server_.expect_clean_end();
}

TEST_F(Datagrams, BadRequestsAreAnsweredAsSuch) {
  std::string beyond = lookup_request("12025550123");
  beyond[6] = 0x7f;  // body length 0x7f..
  std::string unknown_code = lookup_request("12025550123");
  unknown_code[5] = 9;
  for (const std::string& request : {beyond, unknown_code, lookup_request("not a number"),
                                     lookup_request("1234567890123456"), lookup_request("+")}) {
    const auto reply = client_.ask(request);
    ASSERT_TRUE(reply);
    const auto header = native::read_header(std::as_bytes(std::span(*reply)));
    EXPECT_EQ(header->code, static_cast<std::uint16_t>(native::ReplyCode::bad_request));
    EXPECT_LE(reply->size(), request.size());
  }
  server_.wait_until_idle(5);  // the last reply comes before its message is booked
  EXPECT_EQ(server_.ledger("answered"), 5u);
  server_.expect_clean_end();
}

TEST_F(Datagrams, SourcePortZero) {
  const std::string request = lookup_request("12025550123");
  const int error = send_forged(SocketAddress(*IpAddress::parse("127.0.0.1"), 0), server_.address(),
                                std::as_bytes(std::span(request)));
  if (error == EPERM || error == EACCES) GTEST_SKIP() << "raw sockets need root";
  ASSERT_EQ(error, 0);
  server_.wait_until_idle(1);
  EXPECT_EQ(server_.reason("refused.source_port_zero"), 1u);
  ++sent_;
  expect_good_request_answered();
  server_.expect_clean_end();
}

TEST_F(Datagrams, FromOurOwnAddressAndPort) {
  const std::string request = lookup_request("12025550123");
  const int error =
      send_forged(server_.address(), server_.address(), std::as_bytes(std::span(request)));
  if (error == EPERM || error == EACCES) GTEST_SKIP() << "raw sockets need root";
  ASSERT_EQ(error, 0);
  server_.wait_until_idle(1);
  EXPECT_EQ(server_.reason("refused.own_address"), 1u);
  EXPECT_EQ(server_.ledger("sent"), 0u);
  server_.expect_clean_end();
}

}  // namespace
}  // namespace cpss
