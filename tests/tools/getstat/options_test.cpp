#include "tools/getstat/options.h"

#include <cstdlib>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stats/location.h"

namespace cpss::getstat {
namespace {

using testing::HasSubstr;

Options parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "getstat");
  return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

std::string error_of(std::vector<const char*> arguments) {
  try {
    parse(std::move(arguments));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

class OptionsTest : public testing::Test {
 protected:
  OptionsTest() { ::unsetenv("CPSS_STATS_FILE"); }
  ~OptionsTest() override { ::unsetenv("CPSS_STATS_FILE"); }
};

TEST_F(OptionsTest, TheFileComesFromOptionThenEnvironmentThenDefault) {
  EXPECT_EQ(parse({}).file, default_region_path());
  ::setenv("CPSS_STATS_FILE", "", 1);
  EXPECT_EQ(parse({}).file, default_region_path());
  ::setenv("CPSS_STATS_FILE", "/from/environment", 1);
  EXPECT_EQ(parse({}).file, "/from/environment");
  EXPECT_EQ(parse({"--file", "/from/option"}).file, "/from/option");
  EXPECT_EQ(parse({"--file=/from/option"}).file, "/from/option");
}

TEST_F(OptionsTest, HelpNamesTheStatesThatTheExitCodesStandFor) {
  for (const char* state : {"degraded", "stale", "hung"})
    EXPECT_THAT(help_text(), HasSubstr(state));
}

TEST_F(OptionsTest, WatchTakesSecondsOrNone) {
  using namespace std::chrono_literals;
  EXPECT_EQ(parse({}).watch, std::nullopt);
  EXPECT_EQ(parse({"--watch"}).watch, 1000ms);
  EXPECT_EQ(parse({"--watch=0.25"}).watch, 250ms);
  EXPECT_EQ(parse({"--watch=3600"}).watch, 3'600'000ms);
  EXPECT_EQ(parse({"--watch", "5"}).watch, 5000ms);
}

TEST_F(OptionsTest, ABadIntervalSaysWhatIsAllowed) {
  for (const char* bad : {"--watch=0", "--watch=0.09", "--watch=3601", "--watch=-1", "--watch=nan",
                          "--watch=inf", "--watch=1s", "--watch=0x10", "--watch= 1"}) {
    EXPECT_THAT(error_of({bad}), HasSubstr("from 0.1 to 3600")) << bad;
  }
}

TEST_F(OptionsTest, WhatIsUnknownOrAbbreviatedIsAnError) {
  EXPECT_THAT(error_of({"--jason"}), HasSubstr("--jason"));
  EXPECT_THAT(error_of({"--veri"}), HasSubstr("--veri"));
  EXPECT_NE(error_of({"positional"}), "");
  EXPECT_NE(error_of({"--file"}), "");
  EXPECT_NE(error_of({"--file="}), "");
  EXPECT_NE(error_of({"--watch="}), "");
  EXPECT_NE(error_of({"--json", "--json=1"}), "");
  EXPECT_NE(error_of({"--file=a", "--file=b"}), "");
}

TEST_F(OptionsTest, WatchGoesWithNeitherVerifyNorJson) {
  EXPECT_THAT(error_of({"--watch", "--verify"}), HasSubstr("cannot be combined"));
  EXPECT_THAT(error_of({"--watch", "--json"}), HasSubstr("cannot be combined"));
  const Options both = parse({"--verify", "--json"});
  EXPECT_TRUE(both.verify && both.json);
}

TEST_F(OptionsTest, HelpHasAShortName) {
  EXPECT_TRUE(parse({"-h"}).help);
  EXPECT_TRUE(parse({"--help"}).help);
}

TEST_F(OptionsTest, TheHelpNamesEveryOptionAndExitCode) {
  for (const char* text : {"--file", "--watch", "--verify", "--json", "--help", "--version",
                           "CPSS_STATS_FILE", "0 good", "1 an identity", "2 no region", "3 the"})
    EXPECT_THAT(help_text(), HasSubstr(text));
}

}  // namespace
}  // namespace cpss::getstat
