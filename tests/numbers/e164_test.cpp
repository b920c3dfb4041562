#include "numbers/e164.h"

#include <random>

#include <gtest/gtest.h>

#include "tests/numbers/made_numbers.h"

namespace cpss {
namespace {

using test::number;

TEST(E164, TakesOneToFifteenDigits) {
  std::string digits;
  for (std::size_t size = 1; size <= 15; ++size) {
    digits += static_cast<char>('0' + size % 10);
    EXPECT_EQ(number(digits).size(), size);
    EXPECT_EQ(number(digits).to_string(), digits);
  }
  EXPECT_FALSE(E164::parse_digits(""));
  EXPECT_FALSE(E164::parse_digits(digits + "6"));
  EXPECT_EQ(number("0000").to_string(), "0000");
  EXPECT_EQ(E164().size(), 0U);
  EXPECT_EQ(E164().to_string(), "");
}

TEST(E164, TakesNothingElse) {
  for (int c = 0; c < 256; ++c) {
    const std::string text = {'4', static_cast<char>(c), '4'};
    EXPECT_EQ(E164::parse_digits(text).has_value(), c >= '0' && c <= '9') << c;
  }
  EXPECT_FALSE(E164::parse_digits("+44"));
}

TEST(E164, ANumberMayHaveOnePlus) {
  EXPECT_EQ(E164::parse_number("+44"), number("44"));
  EXPECT_EQ(E164::parse_number("44"), number("44"));
  EXPECT_EQ(E164::parse_number("+123456789012345"), number("123456789012345"));
  for (const char* bad : {"", "+", "++44", "44+", "+1234567890123456", " 44", "+44 "})
    EXPECT_FALSE(E164::parse_number(bad)) << bad;
}

TEST(E164, IsOrderedAndComparedLikeText) {
  std::mt19937_64 random(1);
  const auto some_digits = [&] {
    std::string digits(1 + random() % 15, '0');
    for (char& c : digits) c = static_cast<char>('0' + random() % 2);  // few, so prefixes occur
    return digits;
  };
  for (int i = 0; i < 20'000; ++i) {
    const std::string a = some_digits();
    const std::string b = some_digits();
    EXPECT_EQ(number(a) < number(b), a < b) << a << ' ' << b;
    EXPECT_EQ(number(a) == number(b), a == b) << a << ' ' << b;
    EXPECT_EQ(number(a).begins_with(number(b)), a.starts_with(b)) << a << ' ' << b;
    const std::size_t behind = random() % (a.size() + 1);
    EXPECT_EQ(number(a).behind(behind).to_string(), a.substr(behind)) << a;
  }
}

}  // namespace
}  // namespace cpss
