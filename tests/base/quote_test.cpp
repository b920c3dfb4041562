#include "base/quote.h"

#include <gtest/gtest.h>

namespace cpss {
namespace {

TEST(InQuotes, IsPrintableAsciiInSingleQuotes) {
  EXPECT_EQ(in_quotes("a b"), "'a b'");
  EXPECT_EQ(in_quotes(R"( !"#$%&()*+,-./09:;<=>?@AZ[]^_`az{|}~)"),
            R"(' !"#$%&()*+,-./09:;<=>?@AZ[]^_`az{|}~')");
}

TEST(InQuotes, OfNothingIsTwoQuotes) {
  EXPECT_EQ(in_quotes(""), "''");
  EXPECT_EQ(in_quotes("", 0), "''");
}

TEST(InQuotes, KeepsUtf8) {
  EXPECT_EQ(in_quotes("/tmp/Zürich.csv"), "'/tmp/Zürich.csv'");
  EXPECT_EQ(in_quotes("São João, 3 €, \U0001f600"), "'São João, 3 €, \U0001f600'");
  EXPECT_EQ(in_quotes("\u00a0\u07ff\u0800\uffff\U00010000\U0010ffff"),
            "'\u00a0\u07ff\u0800\uffff\U00010000\U0010ffff'");
}

TEST(InQuotes, ShowsControlCharactersByTheirBytes) {
  EXPECT_EQ(in_quotes(std::string_view("\0\1\t\n\r\x1b[31m\x1f\x7f", 12)),
            R"('\x00\x01\x09\x0a\x0d\x1b[31m\x1f\x7f')");
  EXPECT_EQ(in_quotes("\u0080 \u0085 \u009b31m \u009f"),
            R"('\xc2\x80 \xc2\x85 \xc2\x9b31m \xc2\x9f')");
}

TEST(InQuotes, ShowsBytesThatAreNotUtf8) {
  EXPECT_EQ(in_quotes("\xff"), R"('\xff')");
  EXPECT_EQ(in_quotes("a\x80z"), R"('a\x80z')");
  EXPECT_EQ(in_quotes("\xc0\xaf"), R"('\xc0\xaf')") << "overlong";
  EXPECT_EQ(in_quotes("\xed\xa0\x80"), R"('\xed\xa0\x80')") << "a surrogate";
  EXPECT_EQ(in_quotes("\xf4\x90\x80\x80"), R"('\xf4\x90\x80\x80')") << "above U+10FFFF";
  EXPECT_EQ(in_quotes("\xe2\x82"), R"('\xe2\x82')") << "the text ends inside a character";
  EXPECT_EQ(in_quotes("\xe2\x82ü"), R"('\xe2\x82ü')") << "the next character is whole";
}

TEST(InQuotes, TellsABackslashAndAQuoteFromItsOwn) {
  EXPECT_EQ(in_quotes(R"(\x0a)"), R"('\\x0a')");
  EXPECT_EQ(in_quotes("\n"), R"('\x0a')");
  EXPECT_EQ(in_quotes("a', 'b"), R"('a\', \'b')");
  EXPECT_EQ(in_quotes("\\"), R"('\\')");
}

TEST(InQuotes, IsCutAfterMaxBytes) {
  EXPECT_EQ(in_quotes(std::string(80, 'x')), "'" + std::string(80, 'x') + "'");
  EXPECT_EQ(in_quotes(std::string(81, 'x')), "'" + std::string(80, 'x') + "'...");
  EXPECT_EQ(in_quotes("abc", 3), "'abc'");
  EXPECT_EQ(in_quotes("abc", 2), "'ab'...");
  EXPECT_EQ(in_quotes("abc", 0), "''...");
  EXPECT_EQ(in_quotes("ab...", 5), "'ab...'") << "not cut";
  EXPECT_EQ(in_quotes("\n\n\n", 2), R"('\x0a\x0a'...)")
      << "bytes of the text count, not their names";
}

TEST(InQuotes, IsNotCutInsideACharacter) {
  EXPECT_EQ(in_quotes("aüb", 1), "'a'...");
  EXPECT_EQ(in_quotes("aüb", 2), "'a'...");
  EXPECT_EQ(in_quotes("aüb", 3), "'aü'...");
  EXPECT_EQ(in_quotes("€", 2), "''...");
  EXPECT_EQ(in_quotes("\U0001f600", 3), "''...");
  EXPECT_EQ(in_quotes("\U0001f600", 4), "'\U0001f600'");
  EXPECT_EQ(in_quotes("\xe2\x82\xff", 2), R"('\xe2\x82'...)") << "no character: byte by byte";
}

}  // namespace
}  // namespace cpss
