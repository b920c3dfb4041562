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

std::string error_of(const std::vector<const char*>& arguments) {
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
  EXPECT_EQ(options.outstanding, 100u);
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
      error_of({"-p", "65536", "-s", "localhost", "-q", "-3", "--size", "65508", "--count", "1"}),
      AllOf(HasSubstr("--port 65536: "), HasSubstr("--server localhost: "),
            HasSubstr("--outstanding -3: "), HasSubstr("--size 65508: ")));
}

TEST(Options, UnknownAbbreviatedRepeatedOrStray) {
  EXPECT_THAT(error_of({"--count", "1", "--bogus"}), HasSubstr("--bogus"));
  EXPECT_THAT(error_of({"--coun", "1"}), HasSubstr("--coun"));
  EXPECT_THAT(error_of({"--count", "1", "--count", "2"}), HasSubstr("--count"));
  EXPECT_THAT(error_of({"--count", "1", "queries.tsv"}), HasSubstr("queries.tsv"));
  EXPECT_THAT(error_of({"--count"}), HasSubstr("--count"));
  EXPECT_THAT(error_of({"--count", "1", "--service", "work"}), HasSubstr("lookup or echo"));
}

TEST(Options, CombinationsThatCannotWork) {
  EXPECT_THAT(error_of({}), HasSubstr("-d FILE, --count N or -l SECONDS"));
  EXPECT_THAT(error_of({"--count", "1", "-T", "2"}), HasSubstr("2 threads for 1 client"));
  EXPECT_THAT(error_of({"--count", "1", "-c", "101"}), HasSubstr("101 clients for 100"));
  EXPECT_THAT(error_of({"--service", "echo", "-d", "file"}), HasSubstr("-d belongs to"));
}

}  // namespace
}  // namespace cpss::udpblast
