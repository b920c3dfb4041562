#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/temporary_folder.h"
#include "tools/udpblast/result.h"

namespace cpss::udpblast {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

RunResult good_result() {
  Tally tally;
  tally.add(Count::planned, 1'234'567);
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

Options open_loop() {
  Options options;
  options.rate = 1'000;
  return options;
}

// Half of the planned messages were missed.
RunResult open_loop_result() {
  Tally tally;
  tally.add(Count::planned, 1'000);
  tally.add(Count::sent, 500);
  tally.add(Count::missed, 500);
  tally.add(Count::right, 500);
  tally.add(Count::packets_in, 500);
  tally.record_lag(70'000);
  RunResult result;
  result.totals = tally.read();
  result.sending_s = 1;
  result.schedule = judge_schedule(open_loop(), result.totals, 1);
  return result;
}

nlohmann::json open_loop_json() {
  return nlohmann::json::parse(json_report(open_loop_result(), open_loop()));
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
  EXPECT_EQ(json.at("latency_ns").at("mean"), 100'000.0);
  EXPECT_EQ(json.at("asked_rate_per_s"), nullptr);
  EXPECT_EQ(json.at("schedule"), nullptr);
  EXPECT_EQ(json.at("loss"), nullptr);
  EXPECT_EQ(json.at("source"), nullptr);
  EXPECT_EQ(json.at("missed_ratio"), 0.0);
  EXPECT_EQ(json.at("max_missed_ratio"), 0.01);
  EXPECT_EQ(json.at("max_outstanding"), 100);
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
  for (const PlaceInfo& place : kPlaces)
    EXPECT_THAT(page, HasSubstr(fmt::format("| `{}` | {} | ", place.name, place.help)));
  const auto open_loop_report = open_loop_json();
  for (const auto& [key, value] : open_loop_report.at("schedule").items())
    EXPECT_THAT(page, HasSubstr("`" + key + "`"));
}

TEST(Report, ThePageNamesEveryOption) {
  const std::string page = read_file(CPSS_UDPBLAST_PAGE);
  const auto help = parse_options(std::vector{"--help"});
  const std::string& text = std::get<Information>(help).text;
  unsigned options = 0;
  for (std::size_t at = text.find("--"); at != std::string::npos; at = text.find("--", at + 2)) {
    const std::size_t end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz-", at);
    const std::string name = text.substr(at, end - at);
    if (name == "--help" || name == "--version") continue;
    EXPECT_THAT(page, HasSubstr("`" + name + "`"));
    ++options;
  }
  EXPECT_GT(options, 20U);
}

TEST(Report, AnOpenLoopTellsItsSchedule) {
  const auto json = open_loop_json();
  EXPECT_EQ(json.at("asked_rate_per_s"), 1'000.0);
  EXPECT_EQ(json.at("max_outstanding"), nullptr);
  const auto& schedule = json.at("schedule");
  EXPECT_EQ(schedule.at("kept"), false);
  EXPECT_EQ(schedule.at("achieved_ratio"), 0.5);
  EXPECT_EQ(schedule.at("lag_ns").at("max"), 70'000);
  EXPECT_THAT(text_report(open_loop_result(), open_loop()),
              AllOf(HasSubstr("NOT KEPT: 500 of 1000 messages/s"), HasSubstr("send lag us"),
                    HasSubstr("did not keep its schedule")));
}

// The path of a stats region, for instance.
TEST(Report, WhatIsNotUtf8IsReplaced) {
  RunResult result;
  result.loss.emplace().notes = {"/tmp/\xff\"\xc3\xa9: is not there"};
  const auto json = nlohmann::json::parse(json_report(result, Options{}));
  EXPECT_EQ(json.at("loss_notes").at(0), "/tmp/\xef\xbf\xbd\"\xc3\xa9: is not there");
}

// A latency of 0 would be the best there is.
TEST(Report, WithoutAReplyThereIsNoLatency) {
  Tally tally;
  tally.add(Count::planned, 5);
  tally.add(Count::sent, 5);
  tally.add(Count::timed_out, 5);
  RunResult result;
  result.totals = tally.read();
  result.classes = {"all"};
  const auto json = nlohmann::json::parse(json_report(result, Options{}));
  for (const auto& latency : {json.at("latency_ns"), json.at("classes").at(0).at("latency_ns")}) {
    EXPECT_EQ(latency.at("count"), 0);
    for (const char* figure : {"p50", "p90", "p99", "p999", "max", "mean"})
      EXPECT_EQ(latency.at(figure), nullptr) << figure;
  }
  const std::string text = text_report(result, Options{});
  EXPECT_THAT(text, HasSubstr("  latency us  none\n"));
  EXPECT_THAT(text, HasSubstr("all: 0 sent, 0 lost; none\n"));
}

TEST(Report, ClassesOfMessages) {
  EXPECT_EQ(nlohmann::json::parse(json_report(good_result(), Options{})).at("classes").size(), 0u);
  Tally tally;
  tally.class_sent(1);
  tally.class_answered(1);
  tally.record_class_latency(1, 5'000'000);
  RunResult result = good_result();
  result.totals.add(tally.read());
  result.classes = {"short", "long"};
  const auto json = nlohmann::json::parse(json_report(result, Options{}));
  ASSERT_EQ(json.at("classes").size(), 2u);
  EXPECT_EQ(json.at("classes").at(0).at("name"), "short");
  EXPECT_EQ(json.at("classes").at(1).at("messages"), 1);
  EXPECT_EQ(json.at("classes").at(1).at("lost"), 0);
  EXPECT_EQ(json.at("classes").at(1).at("latency_ns").at("max"), 5'000'000);
  EXPECT_THAT(text_report(result, Options{}), HasSubstr("long: 1 sent, 0 lost; p50 5"));
}

TEST(Report, PlacesOfLostMessages) {
  RunResult result = good_result();
  result.totals.counts[static_cast<std::size_t>(Count::timed_out)] = 1'234;
  LossPlaces places;
  places.total = 1'234;
  places.messages[static_cast<std::size_t>(Place::server_kernel)] = 1'230;
  places.unexplained = 4;
  result.loss = LossReport{places, {"a note"}};
  const std::string text = text_report(result, Options{});
  EXPECT_THAT(text, AllOf(HasSubstr("where the 1,234 lost or wrong messages went\n"),
                          HasSubstr("          1,230  dropped by the server's kernel"),
                          HasSubstr("              4  unexplained\n"), HasSubstr("  a note\n")));
  EXPECT_THAT(text, Not(HasSubstr("refused")));
  const auto json = nlohmann::json::parse(json_report(result, Options{}));
  EXPECT_EQ(json.at("loss").at("total"), 1'234);
  EXPECT_EQ(json.at("loss").at("server_kernel"), 1'230);
  EXPECT_EQ(json.at("loss").at("refused"), 0);
  EXPECT_EQ(json.at("loss").at("unexplained"), 4);
  EXPECT_EQ(json.at("loss_notes").at(0), "a note");
  EXPECT_EQ(json.at("loss").size(), kPlaces.size() + 2);
}

TEST(Report, WhyThereAreNoPlaces) {
  RunResult result = good_result();
  result.totals.counts[static_cast<std::size_t>(Count::timed_out)] = 3;
  result.loss = LossReport{std::nullopt, {"not known: gone"}};
  EXPECT_THAT(text_report(result, Options{}),
              HasSubstr("where the 3 lost or wrong messages went\n  not known: gone\n"));
  const auto json = nlohmann::json::parse(json_report(result, Options{}));
  EXPECT_EQ(json.at("loss"), nullptr);
  EXPECT_EQ(json.at("loss_notes").size(), 1u);
}

TEST(Report, ARunWithoutAnyMessage) {
  const RunResult nothing;
  EXPECT_EQ(exit_code(nothing, Options{}), ExitCode::could_not_run);
  EXPECT_THAT(text_report(nothing, Options{}), HasSubstr("nothing was sent"));
  EXPECT_EQ(nlohmann::json::parse(json_report(nothing, Options{})).at("messages_per_s"), 0.0);
}

TEST(Report, OneOfAnythingUnexpectedIsNotRight) {
  for (const Count count : {Count::wrong, Count::busy, Count::duplicate, Count::unknown,
                            Count::malformed, Count::timed_out, Count::outstanding}) {
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
