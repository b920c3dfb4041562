#include "numbers/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cpss {
namespace {

using testing::ElementsAre;

TEST(CsvLine, SplitsAtCommas) {
  CsvLine line;
  ASSERT_TRUE(line.split("a,b,c"));
  EXPECT_THAT(line.fields(), ElementsAre("a", "b", "c"));
  ASSERT_TRUE(line.split(""));
  EXPECT_THAT(line.fields(), ElementsAre(""));
  ASSERT_TRUE(line.split(","));
  EXPECT_THAT(line.fields(), ElementsAre("", ""));
}

TEST(CsvLine, SplitsAtOtherSeparators) {
  CsvLine line;
  ASSERT_TRUE(line.split("a,b; c ;\"d;e\"", ';'));
  EXPECT_THAT(line.fields(), ElementsAre("a,b", "c", "d;e"));
  ASSERT_TRUE(line.split("a;b\t\t c\t", '\t'));
  EXPECT_THAT(line.fields(), ElementsAre("a;b", "", "c", ""));
}

TEST(CsvLine, LeavesOutBlanksAroundFieldsButNotThoseWithinQuotes) {
  CsvLine line;
  ASSERT_TRUE(line.split("  a b ,\tc\t , ,"));
  EXPECT_THAT(line.fields(), ElementsAre("a b", "c", "", ""));
  ASSERT_TRUE(line.split("  \" a\"\t ,  \"\" "));
  EXPECT_THAT(line.fields(), ElementsAre(" a", ""));
}

TEST(CsvLine, TakesQuotedFields) {
  CsvLine line;
  ASSERT_TRUE(line.split(R"("a","b,c","",d,"say ""yes""","""")"));
  EXPECT_THAT(line.fields(), ElementsAre("a", "b,c", "", "d", R"(say "yes")", R"(")"));
  ASSERT_TRUE(line.split(R"("""""")"));
  EXPECT_THAT(line.fields(), ElementsAre(R"("")"));
  ASSERT_TRUE(line.split(R"("",)"));
  EXPECT_THAT(line.fields(), ElementsAre("", ""));
}

TEST(CsvLine, RefusesWrongQuotes) {
  CsvLine line;
  for (const char* bad : {R"(")", R"("a)", R"("a"")", R"(a,"b,c)", R"(""")"}) {
    EXPECT_FALSE(line.split(bad)) << bad;
    EXPECT_EQ(line.problem(), "a quoted field does not end on its line") << bad;
  }
  for (const char* bad : {R"(a"b)", R"(a,b")"}) {
    EXPECT_FALSE(line.split(bad)) << bad;
    EXPECT_EQ(line.problem(), "a quote inside a field that does not begin with one") << bad;
  }
  for (const char* bad : {R"("a"b)", R"("a" b,c)"}) {
    EXPECT_FALSE(line.split(bad)) << bad;
    EXPECT_EQ(line.problem(), "something between a closing quote and the next separator") << bad;
  }
  EXPECT_TRUE(line.split("a,b"));  // the next line is not spoilt
  EXPECT_THAT(line.fields(), ElementsAre("a", "b"));
}

}  // namespace
}  // namespace cpss
