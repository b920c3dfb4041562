#include "tools/udpblast/options.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cpss::udpblast {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Options parse(const std::vector<const char*>& arguments) {
  return std::get<Options>(parse_options(arguments));
}

std::string usage_error_of(const std::vector<const char*>& arguments) {
  try {
    parse_options(arguments);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Options, Defaults) {
  const Options options = parse({"--count", "7"});
  EXPECT_EQ(options.server.to_string(), "127.0.0.1:7700");
  EXPECT_EQ(options.service, ServiceKind::lookup);
  EXPECT_EQ(options.count, 7u);
  EXPECT_EQ(options.size, 256u);
  EXPECT_EQ(options.clients, 1u);
  EXPECT_EQ(options.threads, 1u);
  EXPECT_EQ(options.outstanding, std::nullopt);
  EXPECT_FALSE(options.open_loop());
  EXPECT_EQ(options.part, Part::both);
  EXPECT_EQ(options.timeout_ns, 5'000'000'000u);
  EXPECT_FALSE(options.data_file || options.run_ns || options.interval_ns);
  EXPECT_EQ(options.max_loss, 0);
  EXPECT_TRUE(options.check);
  EXPECT_FALSE(options.json);
}

TEST(Options, ShortNames) {
  const Options options = parse({"-s", "::1", "-p", "5353", "-d", "file", "-l", "2", "-c", "4",
                                 "-T", "2", "-q", "50", "-t", "0.5", "-S", "1"});
  EXPECT_EQ(options.server.to_string(), "[::1]:5353");
  EXPECT_EQ(options.data_file, "file");
  EXPECT_EQ(options.run_ns, 2'000'000'000u);
  EXPECT_EQ(options.clients, 4u);
  EXPECT_EQ(options.threads, 2u);
  EXPECT_EQ(options.outstanding, 50u);
  EXPECT_EQ(options.timeout_ns, 500'000'000u);
  EXPECT_EQ(options.interval_ns, 1'000'000'000u);
}

TEST(Options, LongNames) {
  const Options options =
      parse({"--server=10.0.0.1", "--port=9", "--service=echo", "--limit=1", "--clients=2",
             "--threads=2", "--outstanding=2", "--timeout=1", "--stats-interval=3", "--size=8",
             "--max-loss=1%", "--no-check", "--json"});
  EXPECT_EQ(options.server.to_string(), "10.0.0.1:9");
  EXPECT_EQ(options.service, ServiceKind::echo);
  EXPECT_EQ(options.size, 8u);
  EXPECT_DOUBLE_EQ(options.max_loss, 0.01);
  EXPECT_FALSE(options.check);
  EXPECT_TRUE(options.json);
}

TEST(Options, HelpAndVersionWinOverErrors) {
  const auto help = parse_options(std::vector{"--help", "--port", "x"});
  EXPECT_THAT(std::get<Information>(help).text,
              AllOf(HasSubstr("examples:"), HasSubstr("--max-loss"), HasSubstr("exit codes:")));
  const auto version = parse_options(std::vector{"--version"});
  EXPECT_THAT(std::get<Information>(version).text, StartsWith("udpblast "));
}

TEST(Options, EveryBadValueIsNamedAtOnce) {
  EXPECT_THAT(
      usage_error_of({"-p", "65536", "-s", "1.2.3", "-q", "-3", "--size", "65508", "--count", "1"}),
      AllOf(HasSubstr("--port 65536: "), HasSubstr("--server 1.2.3: "),
            HasSubstr("--outstanding -3: "), HasSubstr("--size 65508: ")));
}

TEST(Options, UnknownAbbreviatedRepeatedOrStray) {
  EXPECT_THAT(usage_error_of({"--count", "1", "--bogus"}), HasSubstr("--bogus"));
  EXPECT_THAT(usage_error_of({"--coun", "1"}), HasSubstr("--coun"));
  EXPECT_THAT(usage_error_of({"--count", "1", "--count", "2"}), HasSubstr("--count"));
  EXPECT_THAT(usage_error_of({"--count", "1", "queries.tsv"}), HasSubstr("queries.tsv"));
  EXPECT_THAT(usage_error_of({"--count"}), HasSubstr("--count"));
  EXPECT_THAT(usage_error_of({"--count", "1", "--service", "sip"}),
              HasSubstr("lookup, echo or work"));
}

TEST(Options, CombinationsThatCannotWork) {
  EXPECT_THAT(usage_error_of({}), HasSubstr("-d FILE, --count N or -l SECONDS"));
  EXPECT_THAT(usage_error_of({"--count", "1", "-T", "2"}), HasSubstr("2 threads for 1 client"));
  EXPECT_THAT(usage_error_of({"--count", "1", "-c", "101"}), HasSubstr("101 clients for 100"));
  EXPECT_THAT(usage_error_of({"--service", "echo", "-d", "file"}), HasSubstr("-d belongs to"));
}

TEST(Options, PacketsOfSeveralMessagesHaveToFit) {
  EXPECT_EQ(parse({"--count", "1", "--segment", "32"}).segments, 32u);
  EXPECT_THAT(usage_error_of({"--count", "1", "--segment", "65"}), HasSubstr("--segment 65"));
  EXPECT_THAT(usage_error_of({"--count", "1", "--segment", "64", "--size", "1024"}),
              HasSubstr("65536 bytes do not fit into one packet"));
  EXPECT_THAT(usage_error_of({"--count", "1", "--segment", "32", "-q", "31"}),
              HasSubstr("31 outstanding message(s) only"));
  EXPECT_THAT(usage_error_of({"--count", "1", "--segment", "32", "-c", "4"}),
              HasSubstr("25 outstanding message(s) only"));
}

TEST(Options, AnOpenLoopHasNoLimitUnlessAskedFor) {
  const Options rate = parse({"-Q", "50000", "-l", "1", "-c", "200"});
  EXPECT_EQ(rate.rate, 50'000u);
  EXPECT_EQ(rate.outstanding, std::nullopt);
  EXPECT_TRUE(rate.open_loop());
  const Options burst = parse({"--burst", "64/2.5", "--count", "100", "-q", "30"});
  ASSERT_TRUE(burst.burst);
  EXPECT_EQ(burst.burst->messages, 64u);
  EXPECT_EQ(burst.burst->gap_ns, 2'500'000u);
  EXPECT_EQ(burst.outstanding, 30u);
  EXPECT_TRUE(burst.open_loop());
}

TEST(Options, ANameIsKeptBesideItsAddress) {
  const Options named = parse({"-s", "localhost", "--count", "1"});
  EXPECT_TRUE(named.server.ip().is_loopback());
  EXPECT_EQ(named.server_text(), "localhost (" + named.server.to_string() + ")");
  EXPECT_EQ(parse({"-s", "::1", "--count", "1"}).server_text(), "[::1]:7700");
}

TEST(Options, TheSourceIsOfTheServersFamily) {
  EXPECT_EQ(parse({"--source", "127.0.0.9", "--count", "1"}).source->to_string(), "127.0.0.9:0");
  EXPECT_EQ(parse({"--source", "127.0.0.9", "-s", "localhost", "--count", "1"}).server.family(),
            AF_INET);
  EXPECT_EQ(parse({"--source", "localhost", "-s", "127.0.0.1", "--count", "1"}).source->family(),
            AF_INET);
  EXPECT_THAT(usage_error_of({"--source", "127.0.0.9", "-s", "::1", "--count", "1"}),
              HasSubstr("--server ::1: has no IPv4 address to go with --source"));
  EXPECT_THAT(usage_error_of({"--source", "::1", "--count", "1"}),
              HasSubstr("--source ::1: cannot reach 127.0.0.1:7700"));
  EXPECT_THAT(usage_error_of({"--source", "224.0.0.1", "--count", "1"}),
              HasSubstr("a group's address"));
  EXPECT_THAT(usage_error_of({"verify", "--source", "::1", "--count", "1", "--seed", "1"}),
              HasSubstr("--source: means nothing to udpblast verify"));
}

TEST(Options, MaxMissed) {
  EXPECT_EQ(parse({"-Q", "5", "-l", "1"}).missed_allowed(), 0.01);
  EXPECT_EQ(parse({"-Q", "5", "-l", "1", "--max-missed", "20%"}).missed_allowed(), 0.2);
  EXPECT_EQ(parse({"send", "-Q", "5", "-l", "1"}).missed_allowed(), 0);
  EXPECT_THAT(usage_error_of({"-l", "1", "--max-missed", "0.1"}),
              HasSubstr("--max-missed belongs to"));
}

TEST(Options, AnEmptyValueIsExplained) {
  EXPECT_THAT(usage_error_of({"--count=", "-l", "1"}),
              HasSubstr("--count=: its value is missing; write --count=VALUE"));
  EXPECT_THAT(usage_error_of({"--data", "", "-l", "1"}), HasSubstr("--data : must name a file"));
  EXPECT_THAT(usage_error_of({"--stats-file", "", "-l", "1"}), HasSubstr("must name a file"));
  for (const char* file : {"--file=x", "--file="})
    EXPECT_THAT(usage_error_of({file, "-l", "1"}),
                AllOf(HasSubstr("unrecognised option '--file'"), HasSubstr("--data FILE"),
                      HasSubstr("--stats-file FILE")));
}

TEST(Options, TwoPlansExcludeEachOther) {
  EXPECT_THAT(usage_error_of({"-Q", "1", "--burst", "1/1", "-l", "1"}),
              HasSubstr("-Q and --burst"));
  EXPECT_THAT(usage_error_of({"-Q", "0", "-l", "1"}), HasSubstr("--rate 0: must be"));
}

TEST(Options, WorkNeedsItsService) {
  const Options options =
      parse({"--service", "work", "--work", "bimodal:10,5000,0.01;sleep;defer=100", "-l", "1"});
  EXPECT_EQ(options.service, ServiceKind::work);
  ASSERT_TRUE(options.work);
  EXPECT_EQ(options.work->modes(), 2u);
  EXPECT_EQ(parse({"--service", "work", "-l", "1"}).work, std::nullopt);
  EXPECT_THAT(usage_error_of({"--work", "fixed:1", "-l", "1"}), HasSubstr("--work belongs to"));
  EXPECT_THAT(usage_error_of({"--service", "work", "--work", "bogus", "-l", "1"}),
              AllOf(HasSubstr("--work bogus: "), HasSubstr("allowed: fixed:US")));
}

TEST(Options, Halves) {
  const Options send = parse({"send", "-Q", "10", "--count", "5", "--seed", "7", "-c", "2"});
  EXPECT_EQ(send.part, Part::send);
  EXPECT_EQ(send.seed, 7u);
  EXPECT_EQ(parse({"send", "--count", "5"}).seed, std::nullopt);
  const Options verify =
      parse({"verify", "--count", "5", "--seed", "0", "-p", "0", "-t", "2", "--max-loss", "1%"});
  EXPECT_EQ(verify.part, Part::verify);
  EXPECT_EQ(verify.seed, 0u);
  EXPECT_EQ(verify.server.port(), 0u);
}

TEST(Options, WhatMeansNothingToAHalfIsAnErrorAllAtOnce) {
  EXPECT_THAT(usage_error_of({"send", "--count", "1", "-q", "5", "-t", "1", "--no-check"}),
              AllOf(HasSubstr("--outstanding: means nothing to udpblast send"),
                    HasSubstr("--timeout: means nothing to udpblast send"),
                    HasSubstr("--no-check: means nothing to udpblast send")));
  EXPECT_THAT(
      usage_error_of({"verify", "--count", "1", "--seed", "1", "-Q", "5", "--burst", "1/1"}),
      AllOf(HasSubstr("--rate: means nothing to udpblast verify"),
            HasSubstr("--burst: means nothing to udpblast verify")));
  EXPECT_THAT(usage_error_of({"--count", "1", "--seed", "1"}), HasSubstr("--seed: belongs to"));
}

TEST(Options, VerifyHasToKnowWhatToExpect) {
  EXPECT_THAT(usage_error_of({"verify"}),
              AllOf(HasSubstr("--seed is missing"), HasSubstr("--count is missing")));
  EXPECT_THAT(usage_error_of({"verify", "--seed", "1", "-l", "5"}),
              HasSubstr("--count is missing"));
  EXPECT_THAT(usage_error_of({"verify", "--seed", "1", "--count", "4294967297"}),
              HasSubstr("must be at most 4294967296"));
  EXPECT_EQ(parse({"verify", "--seed", "1", "-d", "file"}).data_file, "file");
}

}  // namespace
}  // namespace cpss::udpblast
