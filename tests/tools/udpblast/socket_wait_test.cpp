#include "tools/udpblast/socket_wait.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "net/udp_socket.h"

namespace cpss::udpblast {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kLong = 60'000 * kMillisecond;

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
  for (const std::uint64_t for_ns : {1 * kMillisecond, 100 * kMillisecond / 1'000}) {
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
