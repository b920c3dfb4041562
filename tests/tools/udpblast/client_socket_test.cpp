#include "tools/udpblast/client_socket.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "net/udp_socket.h"
#include "tests/support/time_units.h"
#include "tests/tools/udpblast/responder.h"

namespace cpss::udpblast {
namespace {

using test::kMs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

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

constexpr std::uint64_t kLong = 60'000 * kMs;

class SocketWaitTest : public testing::Test {
 protected:
  SocketWaitTest() {
    wait_.add(one_.get(), 7);
    wait_.add(other_.get(), 9);
  }
  // Readable or not, as a socket is.
  const FileDescriptor one_{::eventfd(0, 0)};
  const FileDescriptor other_{::eventfd(0, 0)};
  SocketWait wait_;
};

TEST_F(SocketWaitTest, EndsNotBeforeItsTime) {
  for (const std::uint64_t for_ns : {1 * kMs, 100 * kMs / 1'000}) {
    const std::uint64_t now_ns = monotonic_ns();
    EXPECT_THAT(wait_.wait(now_ns, now_ns + for_ns), IsEmpty());
    EXPECT_GE(monotonic_ns(), now_ns + for_ns);
  }
}

TEST_F(SocketWaitTest, ATimeThatHasPassedIsNotWaitedFor) {
  const std::uint64_t now_ns = monotonic_ns();
  EXPECT_THAT(wait_.wait(now_ns, 0), IsEmpty());
  EXPECT_THAT(wait_.wait(now_ns, now_ns), IsEmpty());
}

TEST_F(SocketWaitTest, SaysWhatIsReadable) {
  const std::uint64_t now_ns = monotonic_ns();
  ::eventfd_write(other_.get(), 1);
  EXPECT_THAT(wait_.wait(now_ns, now_ns + kLong), ElementsAre(9));
  ::eventfd_write(one_.get(), 1);
  EXPECT_THAT(wait_.wait(now_ns, now_ns + kLong), UnorderedElementsAre(7, 9));
  EXPECT_THAT(wait_.wait(now_ns, now_ns), UnorderedElementsAre(7, 9)) << "as long as it is";
}

TEST_F(SocketWaitTest, WhatIsNoDescriptorIsAnError) {
  EXPECT_THROW(wait_.add(-1, 0), SocketError);
}

}  // namespace
}  // namespace cpss::udpblast
