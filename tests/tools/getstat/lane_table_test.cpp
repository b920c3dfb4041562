#include "tools/getstat/lane_table.h"

#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/stats/sample_server.h"
#include "tests/support/temporary_folder.h"

namespace cpss::getstat {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

// A server with nothing but its receiving lanes.
class LaneTableTest : public testing::Test {
 protected:
  void start(std::size_t lanes, Detail detail = Detail::histograms) {
    RegionOptions options = test::sample_options(folder_.file("stats"));
    options.blocks.clear();
    for (std::size_t i = 0; i < lanes; ++i)
      options.blocks.push_back({"lane-" + std::to_string(i), StageId::receive, detail});
    region_.emplace(options);
  }
  void count(std::size_t lane, Counter counter, std::uint64_t n) {
    region_->writer(lane).add(counter, n);
  }
  Reading reading() const { return {RegionState::live, "", region_->snapshot()}; }
  std::string table() const { return format_lanes(reading(), nullptr); }

  TemporaryFolder folder_;
  std::optional<StatsRegion> region_;
};

TEST_F(LaneTableTest, OneLaneHasNoShareToShow) {
  start(1);
  count(0, Counter::received, 5);
  EXPECT_EQ(table(), "");
}

TEST_F(LaneTableTest, TheBusiestLaneComesFirst) {
  start(3);
  count(0, Counter::received, 200'000);
  count(1, Counter::received, 50'000);
  count(2, Counter::received, 750'000);
  count(2, Counter::lost_races, 1234);
  EXPECT_EQ(table(),
            "receiving lanes  received   share  lost races\n"
            "lane-2            750,000  75.0 %       1,234\n"
            "lane-0            200,000  20.0 %           0\n"
            "lane-1             50,000   5.0 %           0\n"
            "imbalance 2.25: the busiest lane's share over an even one\n");
}

TEST_F(LaneTableTest, WithoutMessagesThereIsNoImbalance) {
  start(2);
  EXPECT_THAT(table(), HasSubstr("\nimbalance -: "));
}

TEST_F(LaneTableTest, SinceAnEarlierSnapshotThereAreSharesAndRates) {
  start(2);
  count(0, Counter::received, 1'000'000);
  const Snapshot before = region_->snapshot();
  count(0, Counter::received, 100);
  count(1, Counter::received, 300);
  Reading now = reading();
  now.snapshot->taken_ns = before.taken_ns + 500'000'000;
  EXPECT_EQ(format_lanes(now, &before),
            "receiving lanes   received   share  lost races  received/s\n"
            "lane-1                 300  75.0 %           0       600/s\n"
            "lane-0           1,000,100  25.0 %           0       200/s\n"
            "imbalance 1.50: the busiest lane's share over an even one\n");
}

TEST_F(LaneTableTest, MoreThanSixteenLanesShareARow) {
  start(16);
  for (std::size_t i = 0; i < 16; ++i) count(i, Counter::received, 10);
  EXPECT_THAT(table(), Not(HasSubstr("other")));
  region_.reset();
  start(20);
  for (std::size_t i = 0; i < 20; ++i) {
    count(i, Counter::received, i < 4 ? 1 : 6);
    count(i, Counter::lost_races, i);
  }
  const std::string text = table();
  EXPECT_THAT(text, ContainsRegex("lane-19 +6 +6.0 % +19\n4 others +4 +4.0 % +6\nimbalance 1.20"));
  EXPECT_THAT(text, Not(ContainsRegex("lane-[0-3] ")));
  EXPECT_THAT(text, HasSubstr("\nlane-4 "));
  region_.reset();
  start(17);
  EXPECT_THAT(table(), HasSubstr("\n1 other "));
}

// Zeros would be read as measured.
TEST_F(LaneTableTest, WhatIsNotMeasuredHasADash) {
  start(2, Detail::essential);
  count(0, Counter::received, 3);
  EXPECT_THAT(table(), ContainsRegex("lane-0 +3 +100.0 % +-\n"));
}

TEST_F(LaneTableTest, OfLanesAndProcessesOnlyWhatHappenedIsTold) {
  start(1);
  count(0, Counter::handoffs, 1200);
  EXPECT_EQ(table(), "lanes: 1,200 hand-offs\n");
  count(0, Counter::threads_started, 2);
  count(0, Counter::threads_ended, 1);
  count(0, Counter::processes_started, 4);
  EXPECT_EQ(table(),
            "lanes: 1,200 hand-offs, 2 started, 1 ended\n"
            "processes: 4 started\n");
  count(0, Counter::processes_lost, 3);
  EXPECT_THAT(table(), HasSubstr("\nprocesses: 4 started, 3 lost\n"));
}

}  // namespace
}  // namespace cpss::getstat
