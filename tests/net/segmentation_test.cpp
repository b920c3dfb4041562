// Several datagrams as one packet: what may go together, and that the other side gets each of them
// whole, in both address families.
#include "net/segmentation.h"

#include <array>
#include <cerrno>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/udp_socket.h"
#include "tests/net/inbox.h"

namespace cpss {
namespace {

// Datagrams of these sizes to one peer, each filled with its number.
class Outgoing {
 public:
  explicit Outgoing(const SocketAddress& peer) : peer_(peer) {}
  Outgoing& add(std::size_t size) { return add(size, peer_); }
  Outgoing& add(std::size_t size, const SocketAddress& peer, const LocalAddress* local = nullptr) {
    memory_.emplace_back(size, static_cast<std::byte>('a' + memory_.size() % 26));
    peers_.push_back(peer);
    locals_.push_back(local);
    return *this;
  }
  Outgoing& add_many(std::size_t count, std::size_t size) {
    for (std::size_t i = 0; i < count; ++i) add(size);
    return *this;
  }
  std::vector<OutgoingDatagram> datagrams() const {
    std::vector<OutgoingDatagram> result;
    for (std::size_t i = 0; i < memory_.size(); ++i)
      result.push_back({memory_[i].data(), memory_[i].size(), &peers_[i], locals_[i]});
    return result;
  }
  std::vector<std::string> texts() const {
    std::vector<std::string> result;
    for (const auto& bytes : memory_)
      result.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return result;
  }

 private:
  SocketAddress peer_;
  std::vector<std::vector<std::byte>> memory_;
  std::deque<SocketAddress> peers_;
  std::vector<const LocalAddress*> locals_;
};

const SocketAddress kPeer = address_of("192.0.2.1", 1000);

TEST(SegmentsOfOnePacket, OneSize) {
  EXPECT_EQ(segments_of_one_packet(Outgoing(kPeer).add_many(10, 100).datagrams(), 64), 10u);
}

TEST(SegmentsOfOnePacket, NoMoreThanAllowed) {
  EXPECT_EQ(segments_of_one_packet(Outgoing(kPeer).add_many(10, 100).datagrams(), 4), 4u);
}

TEST(SegmentsOfOnePacket, AShorterOneIsTheLast) {
  EXPECT_EQ(segments_of_one_packet(Outgoing(kPeer).add(9).add(9).add(5).add(5).datagrams(), 64),
            3u);
}

TEST(SegmentsOfOnePacket, ALongerOneBeginsAnother) {
  EXPECT_EQ(segments_of_one_packet(Outgoing(kPeer).add(9).add(9).add(10).datagrams(), 64), 2u);
}

TEST(SegmentsOfOnePacket, AnEmptyOneIsAlone) {
  EXPECT_EQ(segments_of_one_packet(Outgoing(kPeer).add(0).add(0).datagrams(), 64), 1u);
  EXPECT_EQ(segments_of_one_packet(Outgoing(kPeer).add(5).add(0).datagrams(), 64), 1u);
}

TEST(SegmentsOfOnePacket, NoMoreBytesThanAPacketHas) {
  EXPECT_EQ(segments_of_one_packet(Outgoing(kPeer).add_many(4, 21'835).datagrams(), 64), 3u);
  EXPECT_EQ(segments_of_one_packet(Outgoing(kPeer).add_many(4, 21'836).datagrams(), 64), 2u);
}

TEST(SegmentsOfOnePacket, OnePeerAndOneLocalAddress) {
  const SocketAddress other_port = address_of("192.0.2.1", 1001);
  const SocketAddress other_ip = address_of("192.0.2.2", 1000);
  EXPECT_EQ(segments_of_one_packet(Outgoing(kPeer).add(5).add(5, other_port).datagrams(), 64), 1u);
  EXPECT_EQ(segments_of_one_packet(Outgoing(kPeer).add(5).add(5, other_ip).datagrams(), 64), 1u);
  const LocalAddress here{IpAddress::parse("198.51.100.1").value(), 0};
  const LocalAddress same = here;
  const LocalAddress there{IpAddress::parse("198.51.100.2").value(), 0};
  const LocalAddress unknown;
  const auto count = [](const LocalAddress* a, const LocalAddress* b) {
    return segments_of_one_packet(Outgoing(kPeer).add(5, kPeer, a).add(5, kPeer, b).datagrams(),
                                  64);
  };
  EXPECT_EQ(count(&here, &same), 2u);
  EXPECT_EQ(count(&here, &there), 1u);
  EXPECT_EQ(count(&here, nullptr), 1u);
  EXPECT_EQ(count(&unknown, nullptr), 2u);
}

TEST(MaxSegments, IsWhatKernelsHaveHad) {
  EXPECT_THAT((std::array{64u, 128u}), testing::Contains(max_segments()));
}

class SegmentationTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string reason = why_no_address(any_port());
    if (!reason.empty()) GTEST_SKIP() << reason;
    sender_.emplace(any_port(), with_offload());
    if (sender_->max_segments() == 1) GTEST_SKIP() << "this kernel has no UDP_SEGMENT";
  }
  static SocketAddress any_port() { return address_of(GetParam()); }
  static UdpSocketOptions with_offload() {
    UdpSocketOptions options;
    options.gro = options.gso = true;
    return options;
  }
  // The texts of `count` datagrams, however they are merged; counts their arrivals.
  std::vector<std::string> receive(UdpSocket& socket, std::size_t count) {
    std::vector<std::string> texts;
    for (int calls = 0; texts.size() < count && calls < 20; ++calls) {
      const ReceiveResult result = inbox_.wait_and_receive(socket, 500);
      for (std::size_t i = 0; i < result.filled; ++i) {
        const Arrival& arrival = inbox_.arrival(i);
        EXPECT_EQ(arrival.peer, sender_->local_address());
        EXPECT_FALSE(arrival.truncated);
        const std::string text = inbox_.text(i);
        const std::size_t segment = arrival.segment_size == 0 ? text.size() : arrival.segment_size;
        std::size_t at = 0;
        for (std::uint32_t n = 0; n < arrival.datagrams(); ++n, at += segment)
          texts.push_back(text.substr(at, segment));
        ++arrivals_;
      }
    }
    return texts;
  }

  std::optional<UdpSocket> sender_;
  Inbox inbox_{64, 64 << 10};
  std::size_t arrivals_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Loopback, SegmentationTest, testing::Values("127.0.0.1", "::1"),
                         [](const auto& value) {
                           return std::string(value.param) == "::1" ? "v6" : "v4";
                         });

TEST_P(SegmentationTest, MergedThereAndBackByteForByte) {
  UdpSocket receiver(any_port(), with_offload());
  ASSERT_TRUE(receiver.merges());
  const Outgoing outgoing = Outgoing(receiver.local_address()).add_many(40, 200).add(7);
  const auto datagrams = outgoing.datagrams();
  EXPECT_EQ(sender_->send(datagrams).accepted, 41u);
  EXPECT_EQ(receive(receiver, 41), outgoing.texts());
  EXPECT_EQ(arrivals_, 1u) << "they travelled as one";
}

TEST_P(SegmentationTest, AReceiverThatDoesNotMergeGetsEachByItself) {
  UdpSocket receiver(any_port(), {});
  EXPECT_FALSE(receiver.merges());
  const Outgoing outgoing = Outgoing(receiver.local_address()).add_many(10, 100).add(99);
  EXPECT_EQ(sender_->send(outgoing.datagrams()).accepted, 11u);
  EXPECT_EQ(receive(receiver, 11), outgoing.texts());
  EXPECT_EQ(arrivals_, 11u);
}

TEST_P(SegmentationTest, MixedSizesAndPeersOfOneCall) {
  UdpSocket one(any_port(), with_offload());
  UdpSocket other(any_port(), with_offload());
  Outgoing outgoing(one.local_address());
  outgoing.add(50).add(50).add(60).add(60).add(60).add(10);
  outgoing.add(60, other.local_address()).add(60, other.local_address());
  outgoing.add(1).add(0).add(1);
  const auto datagrams = outgoing.datagrams();
  EXPECT_EQ(sender_->send(datagrams).accepted, datagrams.size());
  std::vector<std::string> to_one = outgoing.texts();
  const std::vector<std::string> to_other(to_one.begin() + 6, to_one.begin() + 8);
  to_one.erase(to_one.begin() + 6, to_one.begin() + 8);
  EXPECT_EQ(receive(one, to_one.size()), to_one);
  EXPECT_EQ(receive(other, 2), to_other);
}

TEST_P(SegmentationTest, MoreThanOnePacketHolds) {
  UdpSocket receiver(any_port(), with_offload());
  const std::size_t max = sender_->max_segments();
  const Outgoing outgoing = Outgoing(receiver.local_address()).add_many(2 * max + 3, 100);
  EXPECT_EQ(sender_->send(outgoing.datagrams()).accepted, 2 * max + 3);
  EXPECT_EQ(receive(receiver, 2 * max + 3), outgoing.texts());
  EXPECT_EQ(arrivals_, 3u);
}

TEST_P(SegmentationTest, LargeOnesAreAsManyAsAPacketHolds) {
  UdpSocket receiver(any_port(), with_offload());
  const Outgoing outgoing = Outgoing(receiver.local_address()).add_many(5, 20'000);
  EXPECT_EQ(sender_->send(outgoing.datagrams()).accepted, 5u);
  EXPECT_EQ(receive(receiver, 5), outgoing.texts());
  EXPECT_EQ(arrivals_, 2u);
}

TEST_P(SegmentationTest, SwitchedOffEachGoesByItself) {
  UdpSocket plain(any_port(), {});
  EXPECT_EQ(plain.max_segments(), 1u);
  UdpSocket receiver(any_port(), with_offload());
  const Outgoing outgoing = Outgoing(receiver.local_address()).add_many(5, 100);
  EXPECT_EQ(plain.send(outgoing.datagrams()).accepted, 5u);
  EXPECT_EQ(inbox_.wait_and_receive(receiver).filled, 5u);
}

// udp_socket_network_test.cpp shows, over a wire of 1,500 bytes, that the datagrams of a refused
// packet leave one by one if they can.
TEST(SegmentationErrors, WhatThePacketIsRefusedForIsFoundDatagramByDatagram) {
  UdpSocketOptions options;
  options.gso = true;
  UdpSocket sender(address_of("127.0.0.1"), options);
  UdpSocket receiver(address_of("127.0.0.1"), {});
  const SocketAddress broadcast = address_of("255.255.255.255", 9);
  Outgoing outgoing(receiver.local_address());
  outgoing.add(10, broadcast).add(10, broadcast).add(10);
  const auto datagrams = outgoing.datagrams();
  const SendResult result = sender.send(datagrams);
  EXPECT_EQ(result.accepted, 0u);
  EXPECT_EQ(result.error, EACCES);
  EXPECT_EQ(sender.send(std::span(datagrams).subspan(1)).error, EACCES);
  EXPECT_EQ(sender.send(std::span(datagrams).subspan(2)).accepted, 1u);
}

}  // namespace
}  // namespace cpss
