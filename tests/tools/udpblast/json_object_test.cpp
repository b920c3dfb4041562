#include "tools/udpblast/json_object.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace cpss::udpblast {
namespace {

TEST(JsonObject, EveryKindOfValue) {
  JsonObject inner;
  inner.number("min", std::int64_t{-5});
  JsonObject object;
  object.number("whole", ~std::uint64_t{0});
  object.number("share", 0.125);
  object.boolean("yes", true);
  object.string("text", "a \"b\" \\ \n \x01 \xc3\xa4");
  object.null("nothing");
  object.raw("inner", inner.end());
  object.raw("list", json_strings({"one", "t\"wo"}));
  const auto json = nlohmann::json::parse(object.end());
  EXPECT_EQ(json.at("whole"), ~std::uint64_t{0});
  EXPECT_EQ(json.at("share"), 0.125);
  EXPECT_EQ(json.at("yes"), true);
  EXPECT_EQ(json.at("text"), "a \"b\" \\ \n \x01 \u00c3\u00a4") << "byte by byte";
  EXPECT_EQ(json.at("nothing"), nullptr);
  EXPECT_EQ(json.at("inner").at("min"), -5);
  EXPECT_EQ(json.at("list"), (std::vector<std::string>{"one", "t\"wo"}));
}

TEST(JsonObject, NothingInIt) {
  EXPECT_EQ(JsonObject().end(), "{}");
  EXPECT_EQ(json_strings({}), "[]");
}

}  // namespace
}  // namespace cpss::udpblast
