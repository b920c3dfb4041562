// Control messages as a kernel, or a mistaken one, may hand them over: whole, cut, too short. The
// memory is exactly as large as the header says, so that AddressSanitizer sees a byte too far.
#include "net/control_messages.h"

#include <cstring>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/udp.h>

#include "tests/support/ip.h"

namespace cpss {
namespace {

using test::ip;

// Messages one behind the other; a read gets their first `size` bytes.
class Control {
 public:
  template <typename Info>
  Control& add(int level, int type, const Info& info) {
    return add(level, type, info, CMSG_LEN(sizeof info));
  }
  // With the given length in place of the right one.
  template <typename Info>
  Control& add(int level, int type, const Info& info, std::size_t length) {
    cmsghdr head{};
    head.cmsg_level = level;
    head.cmsg_type = type;
    head.cmsg_len = length;
    const std::size_t at = bytes_.size();
    bytes_.resize(at + CMSG_SPACE(sizeof info));
    std::memcpy(bytes_.data() + at, &head, sizeof head);
    std::memcpy(bytes_.data() + at + CMSG_LEN(0), &info, sizeof info);
    return *this;
  }

  std::size_t size() const { return bytes_.size(); }

  Arrival read(std::size_t size, int flags = 0) const {
    auto exact = first(size);
    // As the kernel does: the length of the last message covers no more bytes than there are.
    cut_last(exact.data(), size);
    return read_as_is(exact.data(), size, flags);
  }
  // With the lengths that the messages state, even if there are fewer bytes.
  Arrival read_lying(std::size_t size) const {
    auto exact = first(size);
    return read_as_is(exact.data(), size, 0);
  }

 private:
  // The first `size` bytes, in memory of exactly that size.
  std::vector<std::byte> first(std::size_t size) const {
    std::vector<std::byte> exact;
    exact.reserve(size);
    for (std::size_t i = 0; i < size; ++i) exact.push_back(bytes_[i]);
    return exact;
  }
  static Arrival read_as_is(std::byte* bytes, std::size_t size, int flags) {
    msghdr header{};
    header.msg_control = bytes;
    header.msg_controllen = size;
    header.msg_flags = flags;
    Arrival arrival;
    read_control(header, arrival);
    return arrival;
  }
  static void cut_last(std::byte* bytes, std::size_t size) {
    for (std::size_t at = 0; at + sizeof(cmsghdr) <= size;) {
      cmsghdr head;
      std::memcpy(&head, bytes + at, sizeof head);
      if (head.cmsg_len > size - at) {
        head.cmsg_len = size - at;
        std::memcpy(bytes + at, &head, sizeof head);
        return;
      }
      at += CMSG_ALIGN(head.cmsg_len);
    }
  }

  std::vector<std::byte> bytes_;
};

in_pktinfo to_v4(const char* header_destination, const char* local) {
  in_pktinfo info{};
  inet_pton(AF_INET, header_destination, &info.ipi_addr);
  inet_pton(AF_INET, local, &info.ipi_spec_dst);
  return info;
}

in6_pktinfo to_v6(const char* destination, unsigned interface) {
  in6_pktinfo info{};
  inet_pton(AF_INET6, destination, &info.ipi6_addr);
  info.ipi6_ifindex = interface;
  return info;
}

// The messages that a dual-stack socket gets with merged IPv4 datagrams.
Control dual_stack() {
  Control control;
  control.add(IPPROTO_UDP, UDP_GRO, int{100})
      .add(IPPROTO_IPV6, IPV6_PKTINFO, to_v6("::ffff:192.0.2.1", 2))
      .add(IPPROTO_IP, IP_PKTINFO, to_v4("192.0.2.1", "192.0.2.1"));
  return control;
}

TEST(ControlMessages, SayWhereItWasSentAndHowItWasMerged) {
  const Control control = dual_stack();
  EXPECT_LE(control.size(), kReceiveControlBytes);
  const Arrival arrival = control.read(control.size());
  EXPECT_EQ(arrival.local.ip, ip("192.0.2.1"));
  EXPECT_EQ(arrival.segment_size, 100U);
  EXPECT_FALSE(arrival.to_group);
  EXPECT_FALSE(arrival.control_cut);
}

TEST(ControlMessages, NoneAreReadWhereThereAreNone) {
  const Arrival arrival = Control().read(0);
  EXPECT_FALSE(arrival.local.known());
  EXPECT_EQ(arrival.segment_size, 0U);
}

// At whatever length they end, a message is taken whole or not at all.
TEST(ControlMessages, ACutOneIsPassedOver) {
  const Control control = dual_stack();
  const std::size_t with_merging = CMSG_LEN(sizeof(int));
  const std::size_t with_address =
      control.size() - CMSG_SPACE(sizeof(in_pktinfo)) + CMSG_LEN(sizeof(in_pktinfo));
  for (std::size_t size = 0; size <= control.size(); ++size) {
    SCOPED_TRACE(size);
    const Arrival arrival = control.read(size, MSG_CTRUNC);
    EXPECT_TRUE(arrival.control_cut);
    EXPECT_EQ(arrival.segment_size, size < with_merging ? 0U : 100U);
    EXPECT_EQ(arrival.local.known(), size >= with_address);
    EXPECT_FALSE(arrival.to_group);
  }
}

TEST(ControlMessages, NothingBehindTheEndIsRead) {
  const Control control = dual_stack();
  for (std::size_t size = 0; size <= control.size(); ++size) {
    SCOPED_TRACE(size);
    const Arrival arrival = control.read_lying(size);
    EXPECT_EQ(arrival.local.known(), size >= control.size() - CMSG_SPACE(sizeof(in_pktinfo)) +
                                                 CMSG_LEN(sizeof(in_pktinfo)));
  }
}

TEST(ControlMessages, OneThatSaysItIsShorterThanItsTypeIsPassedOver) {
  for (const std::size_t length : {std::size_t{0}, CMSG_LEN(0), CMSG_LEN(sizeof(in_pktinfo) - 1)}) {
    SCOPED_TRACE(length);
    Control control;
    control.add(IPPROTO_IP, IP_PKTINFO, to_v4("192.0.2.255", "192.0.2.1"), length);
    const Arrival arrival = control.read_lying(control.size());
    EXPECT_FALSE(arrival.local.known());
    EXPECT_FALSE(arrival.to_group);
  }
}

TEST(ControlMessages, OthersAreOfNoConcern) {
  Control control;
  control.add(SOL_SOCKET, SO_TIMESTAMPNS, timespec{1, 2})
      .add(IPPROTO_IPV6, IPV6_PKTINFO, to_v6("fe80::1", 7));
  const Arrival arrival = control.read(control.size());
  EXPECT_EQ(arrival.local, (LocalAddress{ip("fe80::1"), 7}));
}

TEST(ControlMessages, AGroupIsToldByEitherForm) {
  Control v4;
  v4.add(IPPROTO_IP, IP_PKTINFO, to_v4("192.0.2.255", "192.0.2.1"));
  EXPECT_TRUE(v4.read(v4.size()).to_group);
  Control v6;
  v6.add(IPPROTO_IPV6, IPV6_PKTINFO, to_v6("ff02::1", 7));
  EXPECT_TRUE(v6.read(v6.size()).to_group);
}

}  // namespace
}  // namespace cpss
