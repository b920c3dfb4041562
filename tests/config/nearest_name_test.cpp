#include "config/nearest_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cpss {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const std::vector<KnownName> kNames{
    {"listen", "listen"}, {"queue.slots", "queue.slots"}, {"slots", "queue.slots"},
    {"batch", "batch"},   {"a_threads", "a.threads"},     {"b_threads", "b.threads"},
};

TEST(NearestNames, ForgivesAThirdOfTheLetters) {
  EXPECT_THAT(nearest_names("lisen", kNames), ElementsAre("listen"));
  EXPECT_THAT(nearest_names("listenn", kNames), ElementsAre("listen"));
  EXPECT_THAT(nearest_names("lixten", kNames), ElementsAre("listen"));
  EXPECT_THAT(nearest_names("silten", kNames), ElementsAre("listen"));
  EXPECT_THAT(nearest_names("sixten", kNames), ElementsAre("listen")) << "two of six";
  EXPECT_THAT(nearest_names("sixtex", kNames), IsEmpty()) << "three of six";
}

TEST(NearestNames, TakesASwapOfNeighboursForOneMistake) {
  EXPECT_THAT(nearest_names("abc", std::vector<KnownName>{{"bac", "bac"}}), ElementsAre("bac"));
  EXPECT_THAT(nearest_names("abc", std::vector<KnownName>{{"bca", "bca"}}), IsEmpty());
}

TEST(NearestNames, TakesABeginningForOneMistake) {
  EXPECT_THAT(nearest_names("bat", kNames), ElementsAre("batch"));
  EXPECT_THAT(nearest_names("que", kNames), ElementsAre("queue.slots"));
  EXPECT_THAT(nearest_names("qu", kNames), IsEmpty());
}

TEST(NearestNames, PrefersTheNearest) {
  EXPECT_THAT(
      nearest_names(
          "slot", std::vector<KnownName>{{"slit", "slit"}, {"slots", "slots"}, {"slot", "exact"}}),
      ElementsAre("exact"));
}

TEST(NearestNames, KnowsAliasesOnceAndTies) {
  EXPECT_THAT(nearest_names("slotz", kNames), ElementsAre("queue.slots"));
  EXPECT_THAT(nearest_names("x_threads", kNames), ElementsAre("a.threads", "b.threads"));
}

TEST(NearestNames, IgnoresCaseAndDashes) {
  EXPECT_THAT(nearest_names("A-THREADS", kNames), ElementsAre("a.threads"));
}

TEST(NearestNames, HasNoSuggestionForWhatIsFar) {
  EXPECT_THAT(nearest_names("", kNames), IsEmpty());
  EXPECT_THAT(nearest_names("zzzz", kNames), IsEmpty());
  EXPECT_THAT(nearest_names(std::string(1'000'000, 'a'), kNames), IsEmpty());
}

TEST(DidYouMean, ListsNames) {
  EXPECT_EQ(did_you_mean({}), "");
  EXPECT_EQ(did_you_mean({"a"}, "--"), "; did you mean --a?");
  EXPECT_EQ(did_you_mean({"a", "b"}), "; did you mean a or b?");
  EXPECT_EQ(did_you_mean({"a", "b", "c"}), "; did you mean a, b or c?");
}

}  // namespace
}  // namespace cpss
