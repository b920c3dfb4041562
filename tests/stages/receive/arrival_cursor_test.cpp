#include "stages/receive/arrival_cursor.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_socket.h"

namespace cpss {
namespace {

using testing::ElementsAre;

// The datagrams of the arrival as texts; '!' ends one that was cut.
std::vector<std::string> datagrams(std::string_view text, std::uint32_t segment_size,
                                   bool truncated = false) {
  std::vector<std::byte> memory = bytes_of(text);
  Arrival arrival;
  arrival.length = static_cast<std::uint32_t>(memory.size());
  arrival.segment_size = segment_size;
  arrival.truncated = truncated;
  std::vector<std::string> result;
  for (ArrivalCursor cursor(arrival, memory.data()); !cursor.done(); cursor.next()) {
    const auto bytes = cursor.bytes();
    result.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (cursor.cut()) result.back() += '!';
  }
  return result;
}

TEST(ArrivalCursor, OneDatagram) {
  EXPECT_THAT(datagrams("abc", 0), ElementsAre("abc"));
  EXPECT_THAT(datagrams("abc", 3), ElementsAre("abc"));
  EXPECT_THAT(datagrams("abc", 4), ElementsAre("abc"));
}

TEST(ArrivalCursor, AnEmptyDatagramIsOne) {
  EXPECT_THAT(datagrams("", 0), ElementsAre(""));
}

TEST(ArrivalCursor, SeveralTheLastMayBeShorter) {
  EXPECT_THAT(datagrams("aabb", 2), ElementsAre("aa", "bb"));
  EXPECT_THAT(datagrams("aabbc", 2), ElementsAre("aa", "bb", "c"));
}

TEST(ArrivalCursor, OnlyTheLastIsCut) {
  EXPECT_THAT(datagrams("aabbc", 2, true), ElementsAre("aa", "bb", "c!"));
  EXPECT_THAT(datagrams("aabb", 2, true), ElementsAre("aa", "bb!"));
  EXPECT_THAT(datagrams("a", 0, true), ElementsAre("a!"));
}

TEST(ArrivalCursor, SaysHowManyAreLeft) {
  std::vector<std::byte> memory = bytes_of("aabbc");
  Arrival arrival;
  arrival.length = 5;
  arrival.segment_size = 2;
  ArrivalCursor cursor(arrival, memory.data());
  EXPECT_EQ(cursor.remaining(), 3u);
  cursor.next();
  EXPECT_EQ(cursor.remaining(), 2u);
  EXPECT_TRUE(ArrivalCursor().done());
}

}  // namespace
}  // namespace cpss
