#include "tools/getstat/table.h"

#include <sstream>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stats/machine_clock.h"
#include "tests/stats/sample_server.h"
#include "tests/support/temporary_folder.h"
#include "tools/getstat/grid.h"

namespace cpss::getstat {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

class TableTest : public testing::Test {
 protected:
  Reading reading() const { return RegionReader(path_).read(); }
  std::string table() const { return format_table(reading(), nullptr, path_); }

  TemporaryFolder folder_;
  std::string path_ = folder_.file("stats");
  test::SampleServer server_{path_};
};

TEST_F(TableTest, ShowsServerStagesLedgerAndReasons) {
  server_.region.set_live();
  server_.region.heartbeat();
  server_.answered(1'234'567);
  server_.take_in(2);
  server_.invalid(Reason::invalid_too_short, 3);
  server_.receive.raise(Gauge::queue_high_water, 4321);
  const std::string text = table();
  EXPECT_THAT(text, HasSubstr("cpss live  pid " + std::to_string(::getpid()) +
                              "  model seda  service lookup  listen 127.0.0.1:40001,[::1]:40002"));
  EXPECT_THAT(text, HasSubstr("region " + path_));
  EXPECT_THAT(text, ContainsRegex("receive +1  1,234,572  1,234,569 +3 +- +- +0.0 %\n"));
  EXPECT_THAT(text, ContainsRegex("service +1  1,234,567  1,234,567 +0 +2 +4,321 +0.0 %\n"));
  EXPECT_THAT(text, ContainsRegex("receive +- +- +- +- +-"));
  EXPECT_THAT(text, ContainsRegex("service +1.50 us +1.50 us +1.50 us +64.0 us +64.0 us"));
  EXPECT_THAT(text, ContainsRegex("= answered +1,234,567\n"));
  EXPECT_THAT(text, ContainsRegex("invalid.too_short +3  shorter than the header\n"));
  EXPECT_THAT(text, Not(HasSubstr("invalid.bad_magic"))) << "only reasons that are not 0";
  EXPECT_THAT(text, Not(HasSubstr("entered/s")));
  EXPECT_THAT(text, Not(HasSubstr("NO SIGN OF LIFE")));
  EXPECT_THAT(text, Not(ContainsRegex(" \n")));
}

// Zeros would be read as measured.
TEST_F(TableTest, AStageThatIsNotMeasuredHasDashes) {
  const std::string path = folder_.file("receive-not-measured");
  RegionOptions options = test::sample_options(path);
  options.blocks[0].detail = Detail::essential;
  test::SampleServer server(options);
  server.region.set_live();
  server.answered(50);
  const std::string text = format_table(RegionReader(path).read(), nullptr, path);
  EXPECT_THAT(text, ContainsRegex("receive +1 +50 +50 +0 +- +- +-\n")) << "busy";
  EXPECT_THAT(text, ContainsRegex("receive( +-){8}\n")) << "times";
  EXPECT_THAT(text, ContainsRegex("receive( +-){6}\n")) << "calls and waits";
  EXPECT_THAT(text, ContainsRegex("service +1 +50 +50 +0 +0 +0 +0.0 %\n"));
  EXPECT_THAT(text, ContainsRegex("service +0 +0 ns +0 +0 ns +0 +0 ns\n")) << "this one was 0";
}

TEST_F(TableTest, WithoutHistogramsTheTimesAreDashes) {
  const std::string path = folder_.file("no-histograms");
  RegionOptions options = test::sample_options(path);
  options.histograms = false;
  test::SampleServer server(options);
  server.answered(50);
  const std::string text = format_table(RegionReader(path).read(), nullptr, path);
  EXPECT_THAT(text, ContainsRegex("service +1 +50 +50 +0 +0 +0 +0.0 %\n"));
  EXPECT_THAT(text, ContainsRegex("service( +-){8}\n")) << "times";
}

TEST_F(TableTest, WhatIsToBeSaidOfLanesFollowsTheStages) {
  EXPECT_THAT(table(), Not(HasSubstr("lanes")));
  server_.receive.add(Counter::handoffs, 12);
  EXPECT_THAT(table(), ContainsRegex("response .*\n\nlanes: 12 hand-offs\n\ntimes"));
}

TEST_F(TableTest, EveryErrorThatIsCountedIsShownWithItsMeaning) {
  EXPECT_THAT(table(), Not(HasSubstr("errors"))) << "only those that are not 0";
  std::vector<std::string> expected;
  std::uint64_t times = 100;
  for (const CounterInfo& counter : kCounters) {
    if (counter.info.unit != "errors") continue;
    server_.receive.add(counter.id, 1);
    server_.main.add(counter.id, times);
    expected.push_back(
        fmt::format("  {} +{}  {}\n", counter.info.name, ++times, counter.info.help));
  }
  ASSERT_GE(expected.size(), 2u);
  const std::string text = table();
  EXPECT_THAT(text, ContainsRegex("\nerrors +times\n"));
  for (const std::string& row : expected) EXPECT_THAT(text, ContainsRegex(row));
}

TEST_F(TableTest, AServerInTroubleIsDegradedForThoseReasons) {
  server_.region.set_live();
  server_.region.set_trouble(Trouble::receive, 1, ENOMEM);
  server_.region.set_trouble(Trouble::cpus, 3, 0);
  const std::string text = table();
  EXPECT_THAT(text, HasSubstr("cpss degraded  pid "));
  EXPECT_THAT(text, ContainsRegex("\nDEGRADED for [0-9.]+ s: receiving from a socket fails: what "
                                  "it holds waits: Cannot allocate memory \\(1 lane\\)\n"));
  EXPECT_THAT(text, ContainsRegex("\nDEGRADED for [0-9.]+ s: the CPUs that were given .* "
                                  "\\(3 lanes\\)\n"));
  server_.region.set_trouble(Trouble::receive, 0, 0);
  server_.region.set_trouble(Trouble::cpus, 0, 0);
  EXPECT_THAT(table(), Not(HasSubstr("DEGRADED")));
}

TEST_F(TableTest, WhatTheServiceAnswersFromStandsAboveTheStages) {
  server_.region.set_live();
  EXPECT_THAT(table(), Not(HasSubstr("data:"))) << "it has none";
  DataState state;
  state.generation = 3;
  state.rows = 10'017'362;
  state.values = 20'000;
  state.bytes = 51'380'224;
  state.serial = 17;
  state.load_ns = 1'300'000'000;
  state.loaded_ns = machine_ns() - 2'000'000'000;
  state.source = "numbers.csv";
  server_.region.set_data(state);
  EXPECT_THAT(table(), ContainsRegex("\ndata: generation 3, 10,017,362 rows, 20,000 values, 49.0 "
                                     "MiB, serial 17, from numbers.csv\n"
                                     "      loaded in 1.30 s, [0-9.]+ s ago\n\nstage"));
  state.older = 2;
  state.keeper = "svc-1";
  state.failures = 1;
  state.failed_ns = state.loaded_ns;
  state.error = "numbers.csv:3: no\nnothing was loaded";
  server_.region.set_data(state);
  EXPECT_THAT(table(),
              ContainsRegex("\n      lane svc-1 still reads earlier ones \\(2 older kept\\)\n"
                            "      1 failed reload, the last [0-9.]+ s ago:\n"
                            "        numbers.csv:3: no\n"
                            "        nothing was loaded\n\nstage"));
}

// As the default: lanes of one kind run deferred messages, and no worker does.
TEST_F(TableTest, AStageWithoutThreadsOfItsOwnHasNoBusyShare) {
  const std::string path = folder_.file("inline");
  RegionOptions options = test::sample_options(path);
  options.blocks[1].runs_inline = true;
  test::SampleServer server(options);
  server.region.set_live();
  server.answered(50);
  EXPECT_THAT(format_table(RegionReader(path).read(), nullptr, path),
              ContainsRegex("service +0 +50 +50 +0 +0 +0 +-\n"));
}

TEST_F(TableTest, ColumnsAreAligned) {
  server_.answered(1'234'567);
  std::istringstream lines(table());
  std::string line;
  std::vector<std::size_t> widths;
  while (std::getline(lines, line))
    if (line.starts_with("stage ") || line.starts_with("receive ") || line.starts_with("service "))
      widths.push_back(line.size());
  ASSERT_GE(widths.size(), 3u);
  EXPECT_EQ(widths[0], widths[1]);
  EXPECT_EQ(widths[1], widths[2]);
}

TEST_F(TableTest, WithAnEarlierSnapshotThereAreRatesAndABusySinceThen) {
  server_.region.set_live();
  server_.answered(1000);
  server_.service.add(Counter::busy_ns, 400);
  const Snapshot before = server_.region.snapshot();
  server_.answered(500);
  server_.service.add(Counter::busy_ns, 250'000'000);
  Reading now = reading();
  now.snapshot->taken_ns = before.taken_ns + 500'000'000;
  const std::string text = format_table(now, &before, path_);
  EXPECT_THAT(text, ContainsRegex("service .* 50.0 % +1,000/s\n"));
}

TEST_F(TableTest, AStateThatIsNotLiveIsExplained) {
  EXPECT_THAT(table(), HasSubstr("not ready to receive yet"));
  Reading stale{RegionState::stale, "", server_.region.snapshot()};
  stale.snapshot->taken_ns = stale.snapshot->heartbeat_ns + 12'340'000'000;
  EXPECT_THAT(format_table(stale, nullptr, path_),
              ContainsRegex("STALE: process .* 12.3 s ago; these are its last values"));
  server_.region.mark_clean_end();
  EXPECT_THAT(table(), HasSubstr("ended cleanly; these are its final values"));
}

TEST_F(TableTest, AServerThatShowsNoSignOfLifeIsReported) {
  server_.region.set_live();
  Reading silent = reading();
  silent.snapshot->taken_ns = silent.snapshot->heartbeat_ns + 4'000'000'000;
  EXPECT_THAT(format_table(silent, nullptr, path_), HasSubstr("NO SIGN OF LIFE for 4.0 s"));
}

TEST_F(TableTest, AServerThatHangsIsReported) {
  server_.region.set_live();
  Reading hung{RegionState::hung, "", server_.region.snapshot()};
  hung.snapshot->taken_ns = hung.snapshot->heartbeat_ns + 4'000'000'000;
  EXPECT_THAT(format_table(hung, nullptr, path_),
              ContainsRegex("cpss hung .*\nHUNG: process .* no sign of life for 4.0 s: "));
}

TEST_F(TableTest, APidThatMeansNothingHereIsSaidToBeAnothers) {
  Reading other = reading();
  EXPECT_FALSE(other.foreign_pid());
  ++other.snapshot->facts.pid_namespace;
  EXPECT_THAT(format_table(other, nullptr, path_),
              HasSubstr(fmt::format("pid {} (of another PID namespace)  model", ::getpid())));
}

TEST_F(TableTest, WithoutARegionTheProblemIsAll) {
  const Reading missing = RegionReader(folder_.file("nothing")).read();
  EXPECT_THAT(format_table(missing, nullptr, "nothing"),
              ContainsRegex("^cpss missing: .*does not exist.*\n$"));
}

TEST(GridTest, AlignsTheFirstColumnLeftAndTheOthersRight) {
  Grid grid({"name", "n"});
  grid.add({"a", "1,000"});
  grid.add({"longer", ""});
  EXPECT_EQ(grid.to_string(), "name        n\na       1,000\nlonger\n");
}

}  // namespace
}  // namespace cpss::getstat
