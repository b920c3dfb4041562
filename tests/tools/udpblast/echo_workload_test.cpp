#include "tools/udpblast/echo_workload.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cpss::udpblast {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(EchoWorkload, EveryByteIsCheckedAtEverySize) {
  for (std::size_t size = 8; size <= 33; ++size) {
    const EchoWorkload workload(size);
    std::vector<std::byte> message(size);
    workload.build(0, 0x0102030405060708, message);
    EXPECT_EQ(message[0], std::byte{1});
    EXPECT_EQ(message[7], std::byte{8});
    EXPECT_EQ(workload.transaction_of(message), 0x0102030405060708u);
    EXPECT_TRUE(workload.right(0, 0x0102030405060708, message));
    for (std::size_t at = 8; at < size; ++at) {
      std::vector<std::byte> bad = message;
      bad[at] ^= std::byte{0x80};
      EXPECT_FALSE(workload.right(0, 0x0102030405060708, bad)) << size << " " << at;
    }
    EXPECT_FALSE(workload.right(0, 0x0102030405060708, std::span(message).first(size - 1)));
    message.push_back(std::byte{0});
    EXPECT_FALSE(workload.right(0, 0x0102030405060708, message));
  }
}

TEST(EchoWorkload, DifferentMessagesDiffer) {
  const EchoWorkload workload(64);
  std::vector<std::byte> one(64);
  std::vector<std::byte> other(64);
  workload.build(0, 1, one);
  workload.build(1, 2, other);
  EXPECT_FALSE(std::ranges::equal(std::span(one).subspan(8), std::span(other).subspan(8)));
}

TEST(EchoWorkload, Explains) {
  const EchoWorkload workload(16);
  std::vector<std::byte> message(16);
  workload.build(0, 1, message);
  EXPECT_EQ(workload.explain(0, 1, std::span(message).first(12)),
            "not what was sent: 12 bytes instead of 16");
}

TEST(EchoWorkload, TooShort) {
  EXPECT_THROW(EchoWorkload(7), WorkloadError);
  const EchoWorkload workload(8);
  std::vector<std::byte> message(7);
  EXPECT_EQ(workload.transaction_of(message), std::nullopt);
}

TEST(WorkWorkload, ClassesFollowFromTheProfile) {
  EXPECT_THAT(WorkWorkload(64, std::nullopt).classes(), IsEmpty());
  EXPECT_THAT(WorkWorkload(64, WorkProfile::parse("exp:50")).classes(), ElementsAre("all"));
  EXPECT_THAT(WorkWorkload(64, WorkProfile::parse("bimodal:10,5000,0.01")).classes(),
              ElementsAre("short", "long"));
  EXPECT_EQ(WorkWorkload(64, WorkProfile::parse("exp:50")).title(), "work exp:50;burn");
}

// The class is that of the message's own bytes, as the server reads them.
TEST(WorkWorkload, TheClassIsThatOfTheMessage) {
  const WorkProfile profile = WorkProfile::parse("bimodal:10,5000,0.3");
  const WorkWorkload work(64, profile);
  std::vector<std::byte> window(64);
  std::size_t long_ones = 0;
  for (std::uint64_t transaction = 0; transaction < 1'000; ++transaction) {
    work.build(0, transaction, window);
    const bool is_long = profile.is_long(WorkProfile::key_of(window));
    EXPECT_EQ(work.class_of(transaction), is_long ? 1u : 0u);
    long_ones += is_long ? 1 : 0;
  }
  EXPECT_GT(long_ones, 200u);
  EXPECT_LT(long_ones, 400u);
}

TEST(WorkWorkload, NeedsRoomForTheKey) {
  EXPECT_THROW(WorkWorkload(15, std::nullopt), WorkloadError);
  EXPECT_NO_THROW(WorkWorkload(16, std::nullopt));
}

}  // namespace
}  // namespace cpss::udpblast
