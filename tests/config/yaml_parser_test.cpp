#include "config/yaml_parser.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cpss {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

// `line:column path=value` of each entry.
std::vector<std::string> entries(std::string_view yaml) {
  const YamlDocument document = parse_yaml(yaml);
  EXPECT_THAT(document.errors, IsEmpty()) << yaml;
  std::vector<std::string> texts;
  for (const YamlEntry& entry : document.entries) {
    std::string text = fmt::format("{}:{} {}", entry.at.line, entry.at.column, entry.path);
    if (entry.kind == YamlKind::section) text += '.';
    if (entry.kind == YamlKind::list) text += "[]";
    for (const YamlScalar& value : entry.values)
      text += fmt::format(" {}:{}={}", value.at.line, value.at.column, value.text);
    texts.push_back(text);
  }
  return texts;
}

// `line:column text` of each error.
std::vector<std::string> errors(std::string_view yaml) {
  std::vector<std::string> texts;
  for (const YamlError& error : parse_yaml(yaml).errors)
    texts.push_back(fmt::format("{}:{} {}", error.at->line, error.at->column, error.text));
  return texts;
}

TEST(YamlParser, ListsKeysWithTheirPositions) {
  EXPECT_THAT(entries("listen: a\nqueue:\n  slots: 5\n  batch: '6'\nx: [b, \"c d\"]\n"),
              ElementsAre("1:1 listen 1:9=a", "2:1 queue.", "3:3 queue.slots 3:10=5",
                          "4:3 queue.batch 4:10=6", "5:1 x[] 5:5=b 5:8=c d"));
  EXPECT_THAT(entries("{queue: {slots: 5}}"), ElementsAre("1:2 queue.", "1:10 queue.slots 1:17=5"));
  EXPECT_THAT(entries("x:\n- a\n- b\n"), ElementsAre("1:1 x[] 2:3=a 3:3=b"));
}

TEST(YamlParser, LeavesScalarsAsTheyAreWritten) {
  EXPECT_THAT(entries("a: 010\nb: 0x50\nc: yes\nd: 1e3\n"),
              ElementsAre("1:1 a 1:4=010", "2:1 b 2:4=0x50", "3:1 c 3:4=yes", "4:1 d 4:4=1e3"));
}

TEST(YamlParser, KnowsNothingFromText) {
  EXPECT_THAT(entries("a:\nb: ~\nc: null\nd: ''\n"),
              ElementsAre("1:1 a", "2:1 b", "3:1 c", "4:1 d 4:4="));
}

TEST(YamlParser, TakesAnEmptyDocument) {
  for (const char* yaml : {"", "\n", "# only a comment\n", "---\n", "---\n...\n", "~", "{}"})
    EXPECT_THAT(entries(yaml), IsEmpty()) << yaml;
}

TEST(YamlParser, RefusesWhatItWouldHaveToGuess) {
  const std::vector<std::pair<std::string, std::string>> table{
      {"a: !!int 5", "1:4 a tag ('!'); write the value without, or quote it"},
      {"a: ! 5", "1:4 a tag ('!'); write the value without, or quote it"},
      {"a: !x [1]", "1:4 a tag ('!'); write the value without, or quote it"},
      {"a: !x {b: 1}", "1:4 a tag ('!'); write the value without, or quote it"},
      {"!x a: 1", "1:1 a tag ('!'); write the value without, or quote it"},
      {"a: !!null ~", "1:4 a tag ('!'); write the value without, or quote it"},
      {"a: &x 1", "1:4 an anchor ('&'); write the value without, or quote it"},
      {"a: &x", "1:4 an anchor ('&'); write the value without, or quote it"},
      {"&x a: 1", "1:1 an anchor ('&'); write the value without, or quote it"},
      {"a: 1\n---\nb: 2\n", "2:1 a second document, or text after the end of the first"},
      {"{a: 1} b", "1:8 a second document, or text after the end of the first"},
      {"<<: {a: 1}", "1:1 a merge key ('<<'); write the settings out"},
      {"? [a]\n: b\n", "1:3 a list as a key; quote text that begins with '['"},
      {"? {a: b}\n: c\n", "1:3 a mapping as a key; quote text that begins with '{' or '?'"},
      {"a: [[b]]", "1:5 a list in a list; quote text that begins with '['"},
      {"a: [b: c]", "1:5 a key in a list; quote text that holds ': '"},
      {"a:\n-\n", "2:2 an empty list entry; give it a value or remove it"},
      {"a: {b: {c: {d: {e: 1}}}}", "1:16 sections nested too deeply"},
      {"just text",
       "1:1 text where keys with values are expected, such as "
       "'listen: 127.0.0.1:7700'"},
      {"- a", "1:1 a list where keys with values are expected"},
      {"'': 1", "1:1 an empty key"},
      {"~: 1", "1:1 an empty key"},
      {"a.b: 1",
       "1:1 the key 'a.b' holds a point; write a section: 'a:' and below it, indented, "
       "'b:'"},
  };
  for (const auto& [yaml, error] : table) EXPECT_THAT(errors(yaml), ElementsAre(error)) << yaml;
}

TEST(YamlParser, RefusesAliasesBeforeTheyCost) {
  std::string bomb = "a: [x, x, x, x, x, x, x, x, x, x]\n";
  EXPECT_THAT(errors("a: *x\n"), ElementsAre(StartsWith("1:4 ")));
  bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 30; ++i)
    bomb += fmt::format("a{0}: &a{0} [*a{1}, *a{1}, *a{1}, *a{1}, *a{1}, *a{1}]\n", i, i - 1);
  EXPECT_THAT(errors(bomb), ElementsAre("1:5 an anchor ('&'); write the value without, or quote "
                                        "it"));
}

TEST(YamlParser, NamesBothPlacesOfADuplicate) {
  EXPECT_THAT(errors("queue:\n  slots: 1\n  batch: 1\n  slots: 2\n"),
              ElementsAre("4:3 the key 'queue.slots' is a duplicate; the first is at line 2, "
                          "column 3"));
  EXPECT_THAT(errors("queue: {slots: 1}\n'queue': {slots: 2, slots: 3}\n"),
              ElementsAre("2:1 the key 'queue' is a duplicate; the first is at line 1, column 1",
                          "2:21 the key 'queue.slots' is a duplicate; the first is at line 2, "
                          "column 11"));
}

TEST(YamlParser, CollectsNothingBehindADuplicate) {
  const YamlDocument document = parse_yaml("a: 1\na: {b: [2], c: 3}\nd: [4]\nd: [5]\ne: 6\n");
  std::vector<std::string> paths;
  for (const YamlEntry& entry : document.entries) paths.push_back(entry.path);
  EXPECT_THAT(paths, ElementsAre("a", "d", "e"));
  EXPECT_EQ(document.entries[1].values.size(), 1U);
}

TEST(YamlParser, SaysWhereTextIsNotYaml) {
  for (const char* yaml : {"a: 'b", "a: [b", "a: {b", "a: b: c", "a:\n    b: 1\n  c: 2\n", "a: ]",
                           "a: %b", "a: @b", "a: `b", "a: \"\\q\"", "%FOO\na: b\n:", "a: |x\n b"})
    EXPECT_FALSE(errors(yaml).empty()) << yaml;
  EXPECT_THAT(errors("a: 1\nb: 'c\n"),
              ElementsAre("2:6 not valid YAML: illegal EOF in scalar; check indentation, brackets "
                          "and quotes"));
}

// yaml-cpp 0.7 accepts some of these.
TEST(YamlParser, SeesThatAQuoteIsNeverClosed) {
  for (const char* quote : {"'", "\""})
    for (const char* rest :
         {"", "b", "b\n", "b\r\n", "b\n\n  \n", "\n", "b\n# comment\n", "b \n\t"})
      for (const char* head : {"a: ", "a: [", "a: {", "a:\n  - ", ""})
        EXPECT_EQ(parse_yaml(std::string(head) + quote + rest).errors.size(), 1U)
            << head << quote << rest;
}

// Deep nesting crashes recursive parsers.
TEST(YamlParser, SurvivesDeepNesting) {
  for (const char* unit : {"[", "{", "{a: ", "- ", "? ", "a: [", "[{", "!a [", "&a [", "-\n "}) {
    std::string yaml = "x: ";
    for (int i = 0; i < 20'000; ++i) yaml += unit;
    EXPECT_EQ(parse_yaml(yaml).errors.size(), 1U) << unit;
  }
}

}  // namespace
}  // namespace cpss
