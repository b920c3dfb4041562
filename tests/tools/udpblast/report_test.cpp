#include "tools/udpblast/report.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/temporary_folder.h"

namespace cpss::udpblast {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

RunResult good_result() {
  Tally tally;
  tally.add(Count::sent, 1'234'567);
  tally.add(Count::right, 1'234'567);
  tally.add(Count::packets_in, 1'234'567);
  tally.record_latency(100'000);
  RunResult result;
  result.title = "lookup with \"odd\" \xc3\xa4\n.tsv";
  result.totals = tally.read();
  result.cpu = {1'000'000, 2'000'000};
  result.seconds = 2;
  return result;
}

TEST(Report, TextOfAGoodRun) {
  const std::string text = text_report(good_result(), Options{});
  EXPECT_THAT(text, HasSubstr("1,234,567 right"));
  EXPECT_THAT(text, HasSubstr("0 (0.00000 %)"));
  EXPECT_THAT(text, HasSubstr("617284 messages/s"));
  EXPECT_THAT(text, HasSubstr("all right: every reply was checked\n"));
  EXPECT_THAT(text, Not(HasSubstr("NOT")));
}

TEST(Report, FiveDecimalsShowOneInTwoMillion) {
  RunResult result = good_result();
  result.totals.counts[static_cast<std::size_t>(Count::sent)] = 2'020'222;
  result.totals.counts[static_cast<std::size_t>(Count::timed_out)] = 1;
  const std::string text = text_report(result, Options{});
  EXPECT_THAT(text, HasSubstr("1 (0.00005 %)"));
  EXPECT_THAT(text, HasSubstr("1 lost (0.00005 %)\n"));
  EXPECT_THAT(text, HasSubstr("NOT all right\n"));
}

TEST(Report, JsonHasEveryFigure) {
  Options options;
  options.server = SocketAddress(*IpAddress::parse("127.0.0.1"), 7700);
  const auto json = nlohmann::json::parse(json_report(good_result(), options));
  for (const CountInfo& count : kCounts)
    EXPECT_EQ(json.at(std::string(count.name)), good_result().totals[count.id]) << count.name;
  EXPECT_EQ(json.at("server"), "127.0.0.1:7700");
  EXPECT_EQ(json.at("lost"), 0);
  EXPECT_EQ(json.at("loss_ratio"), 0.0);
  EXPECT_EQ(json.at("elapsed_s"), 2.0);
  EXPECT_EQ(json.at("messages_per_s"), 617283.5);
  EXPECT_EQ(json.at("latency_ns").at("max"), 100'000);
  EXPECT_EQ(json.at("latency_ns").at("count"), 1);
  EXPECT_EQ(json.at("cpu_user_ns"), 1'000'000);
  EXPECT_EQ(json.at("cpu_system_ns"), 2'000'000);
  EXPECT_EQ(json.at("problems").size(), 0u);
  EXPECT_EQ(json.at("exit_code"), 0);
}

// docs/udpblast.md names every key, and describes each count as the program does.
TEST(Report, ThePageNamesEveryKey) {
  const std::string page = read_file(CPSS_UDPBLAST_PAGE);
  const auto json = nlohmann::json::parse(json_report(good_result(), Options{}));
  for (const auto& [key, value] : json.items()) EXPECT_THAT(page, HasSubstr("`" + key + "`"));
  for (const auto& [key, value] : json.at("latency_ns").items())
    EXPECT_THAT(page, HasSubstr("`" + key + "`"));
  for (const CountInfo& count : kCounts)
    EXPECT_THAT(page, HasSubstr(fmt::format("| `{}` | {}", count.name, count.help)));
}

TEST(Report, ARunWithoutAnyMessage) {
  const RunResult nothing;
  EXPECT_EQ(exit_code(nothing, Options{}), ExitCode::could_not_run);
  EXPECT_THAT(text_report(nothing, Options{}), HasSubstr("nothing was sent"));
  EXPECT_EQ(nlohmann::json::parse(json_report(nothing, Options{})).at("messages_per_s"), 0.0);
}

TEST(Report, OneOfAnythingUnexpectedIsNotRight) {
  for (const Count count : {Count::wrong, Count::duplicate, Count::unknown, Count::malformed,
                            Count::timed_out, Count::outstanding}) {
    RunResult result = good_result();
    result.totals.counts[static_cast<std::size_t>(count)] = 1;
    EXPECT_EQ(exit_code(result, Options{}), ExitCode::not_right)
        << kCounts[static_cast<std::size_t>(count)].name;
    EXPECT_EQ(problems(result, Options{}).size(), 1u);
  }
  EXPECT_EQ(exit_code(good_result(), Options{}), ExitCode::all_right);
}

}  // namespace
}  // namespace cpss::udpblast
