#include "config/yaml_document.h"

#include <gtest/gtest.h>

namespace cpss {
namespace {

YamlDocument sample() {
  return {{{"listen", {1, 2}, YamlKind::list, {{"a", {3, 4}}, {std::string("\0b", 2), {5, 6}}}},
           {"queue", {7, 8}, YamlKind::section, {}},
           {"queue.slots", {9, 10}, YamlKind::scalar, {{"", {11, 12}}}},
           {"x", {13, 14}, YamlKind::nothing, {}},
           {"empty", {15, 16}, YamlKind::list, {}}},
          {{YamlPosition{17, 18}, "bad"}, {std::nullopt, "worse"}}};
}

TEST(YamlDocument, SurvivesTheWayToTheParent) {
  EXPECT_EQ(decode(encode(sample())), sample());
  EXPECT_EQ(decode(encode({})), YamlDocument{});
}

TEST(YamlDocument, RefusesEveryCutAndEveryAddition) {
  const std::string bytes = encode(sample());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(decode(bytes.substr(0, size)), std::nullopt) << size;
  EXPECT_EQ(decode(bytes + '\0'), std::nullopt);
}

// With any byte changed, decoding ends and stays inside the bytes (the sanitizers check that).
TEST(YamlDocument, SurvivesAnyByteChanged) {
  const std::string bytes = encode(sample());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (const char value : {'\0', '\1', '\x7f', '\xff'}) {
      std::string changed = bytes;
      changed[i] = value;
      const std::optional<YamlDocument> document = decode(changed);
      EXPECT_TRUE(!document || document->entries.size() <= bytes.size());
    }
  }
}

TEST(YamlDocument, RefusesWhatNoParserSends) {
  YamlDocument scalar_without_value{{{"a", {}, YamlKind::scalar, {}}}, {}};
  EXPECT_EQ(decode(encode(scalar_without_value)), std::nullopt);
  YamlDocument section_with_value{{{"a", {}, YamlKind::section, {{"b", {}}}}}, {}};
  EXPECT_EQ(decode(encode(section_with_value)), std::nullopt);
  YamlDocument unknown_kind{{{"a", {}, static_cast<YamlKind>(9), {}}}, {}};
  EXPECT_EQ(decode(encode(unknown_kind)), std::nullopt);
}

}  // namespace
}  // namespace cpss
