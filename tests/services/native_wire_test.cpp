#include "services/native_wire.h"

#include <array>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace cpss::native {
namespace {

std::vector<std::byte> bytes(std::initializer_list<int> values) {
  std::vector<std::byte> result;
  for (const int value : values) result.push_back(static_cast<std::byte>(value));
  return result;
}

TEST(NativeWire, WritesEachFieldInItsPlace) {
  std::vector<std::byte> window(kHeaderBytes + 1, std::byte{0xaa});
  write_header(window, {.magic = 0x4350,
                        .version = 1,
                        .kind = 2,
                        .code = 0x0304,
                        .body_length = 0x0506,
                        .transaction = 0x08090a0b0c0d0e0f});
  EXPECT_EQ(window, bytes({0x43, 0x50, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 0xaa}));
}

TEST(NativeWire, ReadsWhatItWrote) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 10'000; ++i) {
    const Header header{.magic = static_cast<std::uint16_t>(random()),
                        .version = static_cast<std::uint8_t>(random()),
                        .kind = static_cast<std::uint8_t>(random()),
                        .code = static_cast<std::uint16_t>(random()),
                        .body_length = static_cast<std::uint16_t>(random()),
                        .transaction = random()};
    // An odd address too: the memory need not be aligned.
    std::array<std::byte, kHeaderBytes + 1> memory;
    const std::span<std::byte> window = std::span(memory).subspan(random() % 2, kHeaderBytes);
    write_header(window, header);
    const auto read = read_header(window);
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->magic, header.magic);
    EXPECT_EQ(read->version, header.version);
    EXPECT_EQ(read->kind, header.kind);
    EXPECT_EQ(read->code, header.code);
    EXPECT_EQ(read->body_length, header.body_length);
    EXPECT_EQ(read->transaction, header.transaction);
  }
}

TEST(NativeWire, NeedsAWholeHeader) {
  const std::vector<std::byte> datagram(kHeaderBytes);
  for (std::size_t size = 0; size < kHeaderBytes; ++size)
    EXPECT_FALSE(read_header(std::span(datagram).first(size)).has_value()) << size;
  EXPECT_TRUE(read_header(datagram).has_value());
}

}  // namespace
}  // namespace cpss::native
