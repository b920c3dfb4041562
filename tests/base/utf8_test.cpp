#include "base/utf8.h"

#include <string>

#include <gtest/gtest.h>

namespace cpss {
namespace {

TEST(Utf8Length, IsThatOfTheFirstCharacter) {
  for (const std::string_view character :
       {std::string_view("\0", 1), std::string_view("a"), std::string_view("\x7f"),
        std::string_view("\u0080"), std::string_view("\u07ff"), std::string_view("\u0800"),
        std::string_view("\ud7ff"), std::string_view("\ue000"), std::string_view("\uffff"),
        std::string_view("\U00010000"), std::string_view("\U0010ffff")}) {
    EXPECT_EQ(utf8_length(character), character.size()) << character;
    EXPECT_EQ(utf8_length(std::string(character) + "\xff"), character.size()) << character;
  }
}

TEST(Utf8Length, IsNoneWhereTextIsEmpty) {
  EXPECT_EQ(utf8_length(""), 0U);
}

TEST(Utf8Length, IsNoneWhereNoCharacterBegins) {
  for (const char* bad : {"\x80", "\xbf", "\xf8", "\xfe", "\xff"}) EXPECT_EQ(utf8_length(bad), 0U);
}

TEST(Utf8Length, IsNoneOfACharacterThatIsCutShort) {
  for (const std::string_view whole : {"ü", "€", "\U0001f600"}) {
    for (std::size_t size = 1; size < whole.size(); ++size) {
      EXPECT_EQ(utf8_length(whole.substr(0, size)), 0U) << whole << ' ' << size;
      EXPECT_EQ(utf8_length(std::string(whole.substr(0, size)) + "abc"), 0U)
          << whole << ' ' << size;
    }
  }
}

TEST(Utf8Length, IsNoneOfAnOverlongFormASurrogateOrMoreThanUnicodeHas) {
  for (const char* bad : {"\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf",
                          "\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80"})
    EXPECT_EQ(utf8_length(bad), 0U);
}

}  // namespace
}  // namespace cpss
