#include "tools/udpblast/client_socket.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "net/udp_socket.h"
#include "tests/tools/udpblast/responder.h"

namespace cpss::udpblast {
namespace {

using ::testing::HasSubstr;

SocketAddress loopback(const char* ip, std::uint16_t port) {
  return {*IpAddress::parse(ip), port};
}

TEST(ClientSocket, SendsFromTheSourceItIsGiven) {
  const Responder server(echo_replies());
  const ClientSocket socket(loopback("127.0.0.1", server.port()), loopback("127.0.0.9", 0));
  EXPECT_EQ(socket.local_address().ip().to_string(), "127.0.0.9");
  EXPECT_NE(socket.local_address().port(), 0);
}

std::string error_of(const char* server, std::optional<SocketAddress> source) {
  try {
    const ClientSocket socket(loopback(server, 7700), source);
  } catch (const SocketError& error) {
    return error.what();
  }
  return "no error";
}

TEST(ClientSocket, ASourceThatIsNotOurs) {
  EXPECT_THAT(error_of("127.0.0.1", loopback("192.0.2.1", 0)),
              HasSubstr("--source is an address of this host"));
}

TEST(ClientSocket, ALinkLocalAddressNeedsItsInterface) {
  if (!FileDescriptor(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)).valid())
    GTEST_SKIP() << "no IPv6 here";
  EXPECT_THAT(error_of("fe80::1", std::nullopt), HasSubstr("as in fe80::1%eth0"));
  EXPECT_THAT(error_of("::1", loopback("fe80::2", 0)), HasSubstr("as in fe80::1%eth0"));
}

}  // namespace
}  // namespace cpss::udpblast
