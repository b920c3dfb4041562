#include "config/yaml_text.h"

#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace cpss {
namespace {

// `line:column text` of the error; "" if there is none.
std::string place(std::string_view text) {
  const std::optional<YamlError> error = check_text(text);
  return error ? fmt::format("{}:{} {}", error->at->line, error->at->column, error->text) : "";
}

TEST(YamlText, IsUtf8WithoutControlCharacters) {
  for (const char* good : {"", "a: b\r\n", "a:\tb\n", "# Zürich 東京 😀\n", "\n\t\n", "\t# tab\n",
                           "a: b \t\n", "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF"})
    EXPECT_EQ(place(good), "") << good;
  const std::string not_utf8 = " this byte is not UTF-8 text; save the file as UTF-8";
  for (const char* bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80",
                          "\xE2\x82", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF8", "\xFF"})
    EXPECT_EQ(place(std::string("a\nb") + bad), "2:2" + not_utf8);
  EXPECT_EQ(place("a\n\x01"), "2:1 control character 0x01; remove it");
  EXPECT_EQ(place(std::string_view("a\0b", 3)), "1:2 control character 0x00; remove it");
  EXPECT_EQ(place("\x7f"), "1:1 control character 0x7f; remove it");
  EXPECT_EQ(place("ü\x01"), "1:3 control character 0x01; remove it") << "columns count bytes";
}

TEST(YamlText, HasNoTabInAnIndentation) {
  EXPECT_EQ(place("a:\n\tb: 1\n"), "2:1 a tab in the indentation; indent with spaces");
  EXPECT_EQ(place("a:\n  \t b: 1\n"), "2:3 a tab in the indentation; indent with spaces");
}

}  // namespace
}  // namespace cpss
