#include "numbers/value_pool.h"

#include <array>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cpss {
namespace {

std::vector<std::string> routes_of(const ValuePool& pool, image::Value value) {
  std::array<std::string_view, image::kMaxRoutes> room;
  const auto texts = pool.view().texts(value, room);
  return {texts.begin(), texts.end()};
}

TEST(ValuePool, KeepsTextsOfEveryLengthEachOnce) {
  ValuePool pool;
  std::vector<std::string> texts;
  for (std::size_t size = 0; size < 3'000; ++size) texts.push_back(std::string(size, 'x'));
  texts.push_back(std::string(ValuePool::kMaxText, 'y'));
  std::vector<image::Value> values;
  for (const std::string& text : texts) values.push_back(pool.add(text));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_NE(values[i], image::kNoValue);
    EXPECT_EQ(pool.view().text(values[i]), texts[i]);
    EXPECT_EQ(pool.add(texts[i]), values[i]);
  }
  EXPECT_EQ(pool.size(), texts.size());
}

// The text of one is the beginning of the other's, or all of it with what fills up.
TEST(ValuePool, TellsTextsApartThatAreAlike) {
  ValuePool pool;
  const std::string zero("a\0", 2);
  const image::Value a = pool.add("a"), b = pool.add(zero), c = pool.add("ab");
  EXPECT_NE(a, b);
  EXPECT_NE(a, c);
  EXPECT_EQ(pool.view().text(b), zero);
  const std::array<std::string_view, 2> two = {"a", ""};
  EXPECT_NE(pool.add(two), a);
}

TEST(ValuePool, JoinsRoutes) {
  ValuePool pool;
  const image::Value a = pool.add(";a"), b = pool.add(";b");
  const std::array<image::Value, 3> both = {b, a, b};
  const image::Value joined = pool.join(both);
  EXPECT_THAT(routes_of(pool, joined), testing::ElementsAre(";b", ";a", ";b"));
  EXPECT_EQ(pool.view().text(joined), ";b") << "the first one";
  EXPECT_EQ(pool.join(both), joined);
  EXPECT_EQ(pool.size(), 3u);
}

}  // namespace
}  // namespace cpss
