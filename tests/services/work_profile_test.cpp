#include "services/work_profile.h"

#include <array>
#include <cmath>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cpss {
namespace {

constexpr std::uint64_t kKeys = 200'000;

std::string problem(const std::string& text) {
  try {
    WorkProfile::parse(text);
  } catch (const WorkProfileError& error) {
    const std::string what = error.what();
    const std::size_t end = what.find("; allowed: fixed:US, exp:US or bimodal:US,US,SHARE, then ");
    EXPECT_NE(end, std::string::npos) << what;
    return what.substr(0, end);
  }
  ADD_FAILURE() << text << " was taken";
  return {};
}

TEST(WorkProfile, TakesEveryForm) {
  const WorkProfile fixed = WorkProfile::parse("fixed:250");
  EXPECT_EQ(fixed.time_ns(0), 250'000u);
  EXPECT_EQ(fixed.time_ns(99), 250'000u);
  EXPECT_FALSE(fixed.sleeps());
  EXPECT_EQ(fixed.modes(), 1u);
  EXPECT_FALSE(fixed.is_long(0));
  EXPECT_FALSE(fixed.deferred(~std::uint64_t{0}));

  EXPECT_FALSE(WorkProfile::parse("exp:5;burn").sleeps());
  EXPECT_TRUE(WorkProfile::parse("exp:5;sleep").sleeps());
  EXPECT_EQ(WorkProfile::parse("exp:5;sleep").modes(), 1u);

  const WorkProfile bimodal = WorkProfile::parse("bimodal:0.5,10000000,1;sleep;defer=7.25");
  EXPECT_EQ(bimodal.time_ns(0), 10'000'000'000u);
  EXPECT_TRUE(bimodal.sleeps());
  EXPECT_EQ(bimodal.modes(), 2u);
  EXPECT_FALSE(bimodal.deferred(7250));
  EXPECT_TRUE(bimodal.deferred(7251));

  const WorkProfile no_mode = WorkProfile::parse("fixed:1;defer=0");
  EXPECT_FALSE(no_mode.sleeps());
  EXPECT_FALSE(no_mode.deferred(0));
  EXPECT_TRUE(no_mode.deferred(1));

  EXPECT_EQ(WorkProfile::parse("fixed:0;burn"), WorkProfile());
}

TEST(WorkProfile, RoundsTimesToNanoseconds) {
  EXPECT_EQ(WorkProfile::parse("fixed:0.001").time_ns(0), 1u);
  EXPECT_EQ(WorkProfile::parse("fixed:0.0004").time_ns(0), 0u);
  EXPECT_EQ(WorkProfile::parse("fixed:1.2346").time_ns(0), 1235u);
  EXPECT_EQ(WorkProfile::parse("fixed:9999999.999").time_ns(0), 9'999'999'999u);
}

TEST(WorkProfile, SaysWhatDoesNotBeginWell) {
  for (const char* text : {"", ";", "burn", "fixed", "fixed=5", "Fixed:5", " fixed:5", "5",
                           "normal:5", ";fixed:5", "exp;5", "bimodal"})
    EXPECT_EQ(problem(text), "does not begin with 'fixed:', 'exp:' or 'bimodal:'") << text;
}

TEST(WorkProfile, SaysWhichTimeIsWrong) {
  const std::string wrong = "has no number of microseconds, 0 to 10000000, as ";
  for (const char* time : {"", " 5", "5 ", "-1", "+1", "many", "5us", "0x10", "inf", "nan", ".5",
                           "10000000.001", "1e400", "5,6", "1e"}) {
    const std::string text(time);
    EXPECT_EQ(problem("fixed:" + text), wrong + "time behind 'fixed:'") << text;
    EXPECT_EQ(problem("exp:" + text + ";burn"), wrong + "mean behind 'exp:'") << text;
    EXPECT_EQ(problem("exp:1;defer=" + text), wrong + "time behind 'defer='") << text;
    if (text.find(',') != std::string::npos) continue;
    EXPECT_EQ(problem("bimodal:" + text + ",1,0"), wrong + "first time behind 'bimodal:'") << text;
    EXPECT_EQ(problem("bimodal:1," + text + ",0"), wrong + "second time behind 'bimodal:'") << text;
  }
}

TEST(WorkProfile, SaysWhatBimodalLacks) {
  for (const char* text :
       {"bimodal:", "bimodal:1", "bimodal:1,2", "bimodal:1,2,0.5,3", "bimodal:1;2;0.5"})
    EXPECT_EQ(problem(text), "has not two times and a share behind 'bimodal:'") << text;
  for (const char* share : {"", "-0.1", "1.001", "2", "1%", "half", "nan"})
    EXPECT_EQ(problem("bimodal:1,2," + std::string(share) + ";burn"),
              "has no number from 0 to 1 as share behind 'bimodal:'")
        << share;
}

TEST(WorkProfile, SaysWhichPartDoesNotBelongThere) {
  const auto part = [](const char* number) {
    return std::string("has something that does not belong there as part ") + number +
           " of those between ';'";
  };
  for (const char* text : {"fixed:1;", "fixed:1;brun", "fixed:1;Burn", "fixed:1; burn",
                           "fixed:1;defer", "fixed:1;exp:2", "fixed:1;;burn"})
    EXPECT_EQ(problem(text), part("2")) << text;
  for (const char* text : {"fixed:1;burn;", "fixed:1;burn;sleep", "fixed:1;burn;burn",
                           "fixed:1;defer=1;burn", "fixed:1;defer=1;defer=1"})
    EXPECT_EQ(problem(text), part("3")) << text;
  EXPECT_EQ(problem("fixed:1;sleep;defer=1;sleep"), part("4"));
}

TEST(WorkProfile, TheTextOfAProfileMakesAnEqualOne) {
  for (const char* text : {"fixed:0;burn", "fixed:0.5;sleep", "fixed:10000000;burn;defer=10000000",
                           "exp:12.345;burn;defer=0", "bimodal:1,100,0.01;sleep;defer=50.5",
                           "bimodal:100,0.001,1;burn", "bimodal:0,0,0;burn"})
    EXPECT_EQ(WorkProfile::parse(text).text(), text);
  EXPECT_EQ(WorkProfile().text(), "fixed:0;burn");
  EXPECT_EQ(WorkProfile::parse("exp:007.50;defer=1e3").text(), "exp:7.5;burn;defer=1000");
  for (std::uint64_t ns = 1; ns < 10'000'000'000; ns = ns * 3 + 1) {
    const std::string us =
        std::to_string(ns / 1000) + "." + std::to_string(1000 + ns % 1000).substr(1);
    const WorkProfile profile = WorkProfile::parse("bimodal:" + us + ",1,0.12345678901234567");
    EXPECT_EQ(WorkProfile::parse(profile.text()), profile) << profile.text();
  }
}

TEST(WorkProfile, TheKeyIsBytes8To15BigEndian) {
  std::array<std::byte, 40> payload;
  for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<std::byte>(0xf0 + i);
  EXPECT_EQ(WorkProfile::key_of(payload), 0xf8f9fafbfcfdfeffu);
  EXPECT_EQ(WorkProfile::key_of(std::span(payload).first(WorkProfile::kMinPayload)),
            0xf8f9fafbfcfdfeffu);
}

// Other programs and versions have to draw the same: these are the values of SplitMix64.
TEST(WorkProfile, DrawsTheSameForEver) {
  const WorkProfile profile = WorkProfile::parse("exp:1000000");
  for (const auto& [key, first] :
       {std::pair{0ull, 0xe220a8397b1dcdafull}, std::pair{1234567ull, 6457827717110365317ull}}) {
    const double uniform = (static_cast<double>(first >> 12) + 0.5) / 0x1p52;
    EXPECT_NEAR(static_cast<double>(profile.time_ns(key)), -1e9 * std::log(uniform), 1.5);
    // A message is long if `uniform` is less than the share.
    const std::string above = std::to_string(uniform + 1e-5);
    const std::string below = std::to_string(uniform - 1e-5);
    EXPECT_TRUE(WorkProfile::parse("bimodal:1,2," + above).is_long(key));
    EXPECT_FALSE(WorkProfile::parse("bimodal:1,2," + below).is_long(key));
  }
}

TEST(WorkProfile, ExponentialTimesHaveTheirMeanAndTheirShape) {
  for (const std::uint64_t stride : {std::uint64_t{1}, std::uint64_t{1} << 40}) {
    const WorkProfile profile = WorkProfile::parse("exp:100");
    double sum_ns = 0;
    double above_mean = 0;
    for (std::uint64_t i = 0; i < kKeys; ++i) {
      const std::uint64_t time_ns = profile.time_ns(i * stride);
      sum_ns += static_cast<double>(time_ns);
      if (time_ns > 100'000) ++above_mean;
      EXPECT_FALSE(profile.is_long(i * stride));
    }
    EXPECT_NEAR(sum_ns / kKeys, 100'000, 2'000);
    EXPECT_NEAR(above_mean / kKeys, std::exp(-1), 0.01);
  }
  EXPECT_EQ(WorkProfile::parse("exp:0").time_ns(5), 0u);
}

TEST(WorkProfile, BimodalTimesHaveTheirShare) {
  for (const double share : {0.01, 0.1, 0.5, 0.9}) {
    const WorkProfile profile = WorkProfile::parse("bimodal:1,100," + std::to_string(share));
    double long_ones = 0;
    for (std::uint64_t key = 0; key < kKeys; ++key) {
      EXPECT_EQ(profile.time_ns(key), profile.is_long(key) ? 100'000u : 1'000u);
      if (profile.is_long(key)) ++long_ones;
    }
    EXPECT_NEAR(long_ones / kKeys, share, 0.05 * share);
  }
}

TEST(WorkProfile, ASharesEndsAreExact) {
  const WorkProfile none = WorkProfile::parse("bimodal:1,2,0");
  const WorkProfile all = WorkProfile::parse("bimodal:1,2,1");
  for (std::uint64_t key = 0; key < kKeys; ++key) {
    EXPECT_FALSE(none.is_long(key));
    EXPECT_TRUE(all.is_long(key));
  }
}

// "Long" is the class of the second time, so that the class keeps its meaning with any times.
TEST(WorkProfile, TheSecondTimeIsTheLongClassEvenIfShorter) {
  const WorkProfile profile = WorkProfile::parse("bimodal:100,1,1");
  EXPECT_TRUE(profile.is_long(0));
  EXPECT_EQ(profile.time_ns(0), 1'000u);
}

}  // namespace
}  // namespace cpss
