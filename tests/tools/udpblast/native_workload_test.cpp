#include "tools/udpblast/native_workload.h"

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_folder.h"

namespace cpss::udpblast {
namespace {

using native::Kind;
using native::ReplyCode;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint64_t kTransaction = 0x0102030405060708;

std::vector<std::byte> reply(ReplyCode code, std::string_view body, std::size_t length,
                             Kind kind = Kind::reply) {
  std::vector<std::byte> bytes(length);
  native::write_header(bytes, {.kind = static_cast<std::uint8_t>(kind),
                               .code = static_cast<std::uint16_t>(code),
                               .body_length = static_cast<std::uint16_t>(body.size()),
                               .transaction = kTransaction});
  if (!body.empty()) std::memcpy(bytes.data() + native::kHeaderBytes, body.data(), body.size());
  return bytes;
}

NativeWorkload lookups(std::string_view lines, std::size_t size) {
  const TemporaryFolder folder;
  return NativeWorkload(size, std::make_unique<DataFile>(folder.write("queries.tsv", lines)));
}

TEST(NativeWorkload, RequestIsTheWireFormat) {
  const NativeWorkload workload = lookups("1\t\n+4420\tprefix=44\n", 32);
  std::vector<std::byte> window(32, std::byte{0xee});
  workload.build(3, kTransaction, window);  // 3 is the second line, the second time
  const std::array<unsigned char, 32> expected = {0x43, 0x50, 1, 1, 0, 0,   0,   5,   1,   2,  3,
                                                  4,    5,    6, 7, 8, '+', '4', '4', '2', '0'};
  EXPECT_EQ(std::memcmp(window.data(), expected.data(), 32), 0);
}

TEST(NativeWorkload, WithoutDataItPings) {
  const NativeWorkload workload(16, nullptr);
  std::vector<std::byte> window(16);
  workload.build(0, kTransaction, window);
  EXPECT_EQ(native::read_header(window)->code, 1);
  EXPECT_EQ(native::read_header(window)->body_length, 0);
  EXPECT_TRUE(workload.right(0, kTransaction, reply(ReplyCode::found, {}, 16)));
  EXPECT_FALSE(workload.right(0, kTransaction, reply(ReplyCode::busy, {}, 16)));
  EXPECT_EQ(workload.one_pass(), std::nullopt);
}

TEST(NativeWorkload, OnlyRepliesHaveATransaction) {
  const NativeWorkload workload(16, nullptr);
  std::vector<std::byte> good = reply(ReplyCode::busy, {}, 16);
  EXPECT_EQ(workload.transaction_of(good), kTransaction);
  EXPECT_EQ(workload.transaction_of(std::span(good).first(15)), std::nullopt);
  EXPECT_EQ(workload.transaction_of({}), std::nullopt);
  EXPECT_EQ(workload.transaction_of(reply(ReplyCode::found, {}, 16, Kind::request)), std::nullopt);
  for (const std::size_t at : {0u, 1u, 2u}) {  // magic, version
    std::vector<std::byte> bad = good;
    bad[at] ^= std::byte{1};
    EXPECT_EQ(workload.transaction_of(bad), std::nullopt) << at;
  }
}

TEST(NativeWorkload, BusyIsNoAnswer) {
  const NativeWorkload pings(64, nullptr);
  EXPECT_TRUE(pings.busy(reply(ReplyCode::busy, "", 64)));
  EXPECT_TRUE(pings.busy(reply(ReplyCode::busy, "", native::kHeaderBytes)));
  EXPECT_FALSE(pings.busy(reply(ReplyCode::found, "", 64)));
  EXPECT_FALSE(pings.busy(reply(ReplyCode::internal_error, "", 64)));
  EXPECT_FALSE(pings.busy({}));
}

TEST(NativeWorkload, EachByteCounts) {
  const NativeWorkload workload = lookups("44\tprefix=44;gateway=x\n", 64);
  const std::vector<std::byte> good = reply(ReplyCode::found, "prefix=44;gateway=x", 64);
  EXPECT_TRUE(workload.right(0, kTransaction, good));
  for (std::size_t at = 4; at < good.size(); ++at) {
    if (at >= 8 && at < 16) continue;  // the transaction id, checked by the caller
    std::vector<std::byte> bad = good;
    bad[at] ^= std::byte{1};
    EXPECT_FALSE(workload.right(0, kTransaction, bad)) << at;
    EXPECT_FALSE(workload.explain(0, kTransaction, bad).empty());
  }
  for (const std::size_t length : {16u, 35u, 63u})
    EXPECT_FALSE(workload.right(0, kTransaction, std::span(good).first(length))) << length;
  EXPECT_FALSE(workload.right(0, kTransaction, reply(ReplyCode::found, "prefix=44;gateway=x", 65)));
}

TEST(NativeWorkload, NotFoundIsExpectedWhereTheBodyIsEmpty) {
  const NativeWorkload workload = lookups("44\t\n", 64);
  EXPECT_TRUE(workload.right(0, kTransaction, reply(ReplyCode::not_found, {}, 64)));
  EXPECT_FALSE(workload.right(0, kTransaction, reply(ReplyCode::found, {}, 64)));
  EXPECT_FALSE(workload.right(0, kTransaction, reply(ReplyCode::not_found, "prefix=4", 64)));
}

// Headers of 16 bytes and a body of 30 in messages of 36: a trusted client gets the whole body,
// others the part that fits.
TEST(NativeWorkload, RepliesLargerThanTheirRequest) {
  const NativeWorkload workload = lookups("44\tprefix=44;gateway=x;carrier=yz\n", 36);
  const auto found = [](std::string_view body, std::size_t length) {
    return reply(ReplyCode::found, body, length);
  };
  EXPECT_TRUE(workload.right(0, kTransaction, found("prefix=44;gateway=x;carrier=yz", 46)));
  EXPECT_TRUE(workload.right(0, kTransaction, found("prefix=44;gateway=x", 36)));
  EXPECT_FALSE(workload.right(0, kTransaction, found("prefix=44", 36))) << "gateway=x fits";
  EXPECT_FALSE(workload.right(0, kTransaction, found("", 36))) << "prefix=44 fits";
  EXPECT_FALSE(workload.right(0, kTransaction, found("prefix=44;gateway=x;", 36)));
  EXPECT_FALSE(workload.right(0, kTransaction, found("prefix=44;gateway=", 36)));
  EXPECT_FALSE(workload.right(0, kTransaction, found("prefix=44;gateway=x;carrier=yz", 47)));
  EXPECT_EQ(workload.longest_reply(), 46u);
}

TEST(NativeWorkload, NotEvenTheFirstPairFits) {
  const NativeWorkload workload = lookups("44\tprefix=44\n", 18);
  EXPECT_TRUE(workload.right(0, kTransaction, reply(ReplyCode::found, "", 18)));
  EXPECT_TRUE(workload.right(0, kTransaction, reply(ReplyCode::found, "prefix=44", 25)));
  EXPECT_FALSE(workload.right(0, kTransaction, reply(ReplyCode::found, "prefix", 22)));
}

TEST(NativeWorkload, ExplainsWhatWasWrong) {
  const NativeWorkload workload = lookups("1\t\n44\tprefix=44\n", 64);
  EXPECT_THAT(workload.describe(1), AllOf(HasSubstr("number 44 ("), HasSubstr(":2)")));
  EXPECT_EQ(workload.explain(1, kTransaction, reply(ReplyCode::not_found, "", 64)),
            "expected found 'prefix=44', got not found");
  EXPECT_EQ(workload.explain(0, kTransaction, reply(ReplyCode::found, "prefix=1", 64)),
            "expected not found, got found 'prefix=1'");
  EXPECT_EQ(workload.explain(1, kTransaction, reply(ReplyCode::found, "prefix=44", 60)),
            "right content, but expected a reply of 64 bytes, got 60");
  std::vector<std::byte> padding = reply(ReplyCode::found, "prefix=44", 64);
  padding[40] = std::byte{1};
  EXPECT_EQ(workload.explain(1, kTransaction, padding),
            "right content, but byte 40 behind the body is not zero");
  std::vector<std::byte> cut = reply(ReplyCode::found, "prefix=44", 64);
  cut.resize(20);
  EXPECT_EQ(workload.explain(1, kTransaction, cut),
            "got a reply of 20 bytes that says its body has 9");
}

TEST(NativeWorkload, MessagesTooSmallForTheNumbers) {
  EXPECT_THROW(NativeWorkload(15, nullptr), WorkloadError);
  EXPECT_THROW(lookups("+123\t\n", 19), WorkloadError);
  EXPECT_NO_THROW(lookups("+123\t\n", 20));
}

}  // namespace
}  // namespace cpss::udpblast
