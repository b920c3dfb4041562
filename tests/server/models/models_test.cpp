// Which lanes each model has, what they run and where they receive, as a table for each model.
#include "server/models/models.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/segmentation.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

// `recv-0: receive; inline service, response; sockets 0`, and the lane's other properties.
std::string text_of(const LanePlan& lane) {
  const auto list = [](const std::vector<StageId>& steps) {
    std::string text;
    for (const StageId step : steps)
      text += (text.empty() ? "" : ", ") + std::string(name_of(step));
    return text;
  };
  std::string text = lane.name + ": " + list(lane.steps);
  if (!lane.inline_steps.empty()) text += "; inline " + list(lane.inline_steps);
  if (lane.runs(StageId::receive)) text += "; sockets " + std::to_string(lane.sockets);
  if (lane.transient) text += "; transient";
  if (lane.real_time_priority) text += "; priority " + std::to_string(*lane.real_time_priority);
  for (const unsigned cpu : lane.cpus) text += "; cpu " + std::to_string(cpu);
  return text;
}

std::vector<std::string> table_of(const PipelineOptions& options) {
  std::vector<std::string> lines;
  for (const LanePlan& lane : assignment_of(options).lanes) lines.push_back(text_of(lane));
  return lines;
}

PipelineOptions options_of(ServerModel model) {
  PipelineOptions options;
  options.model = model;
  options.slots = 100;
  options.batch = 10;
  options.worker_queue = 50;
  return options;
}

PipelineOptions inline_seda() {
  PipelineOptions options = options_of(ServerModel::seda);
  options.inline_max = 50us;
  return options;
}

// The properties that a model does not set.
void expect_plain(const Assignment& assignment) {
  EXPECT_EQ(assignment.socket_groups, 1u);
  EXPECT_FALSE(assignment.leader_followers);
  EXPECT_FALSE(assignment.separate_processes);
  EXPECT_FALSE(assignment.process_per_message);
}

// --- seda ---

TEST(Seda, EachStageHasLanesOfItsOwn) {
  PipelineOptions options = options_of(ServerModel::seda);
  options.receive.lanes = 2;
  options.service = {.lanes = 1, .cpus = {3}};
  options.response = {.lanes = 2, .real_time_priority = 7};
  EXPECT_THAT(table_of(options),
              ElementsAre("recv-0: receive; sockets 0", "recv-1: receive; sockets 0",
                          "svc-0: service; cpu 3", "resp-0: response; priority 7",
                          "resp-1: response; priority 7"));
  expect_plain(assignment_of(options));
}

TEST(Seda, ALaneMayRunTheStagesBehindItInline) {
  EXPECT_THAT(table_of(inline_seda()),
              ElementsAre("recv-0: receive; inline service, response; sockets 0",
                          "svc-0: service; inline response", "resp-0: response"));
}

TEST(Seda, InlineEndsWhereTheSchedulerWouldTreatTheStagesDifferently) {
  PipelineOptions options = inline_seda();
  options.response.cpus = {1};
  EXPECT_THAT(table_of(options), ElementsAre("recv-0: receive; inline service; sockets 0",
                                             "svc-0: service", "resp-0: response; cpu 1"));
  options = inline_seda();
  options.receive.real_time_priority = 5;
  EXPECT_THAT(table_of(options),
              ElementsAre("recv-0: receive; sockets 0; priority 5",
                          "svc-0: service; inline response", "resp-0: response"));
}

TEST(Seda, WorkersAndOnDemandThreadsStandBetweenServiceAndResponse) {
  PipelineOptions options = inline_seda();
  options.worker = {.lanes = 2, .cpus = {1}};
  options.on_demand_threads = 2;
  const std::vector<std::string> workers = {
      "work-0: worker; cpu 1", "work-1: worker; cpu 1", "starter: on_demand; cpu 1",
      "demand-0: on_demand; transient; cpu 1", "demand-1: on_demand; transient; cpu 1"};
  std::vector<std::string> expected = {"recv-0: receive; inline service, response; sockets 0",
                                       "svc-0: service; inline response"};
  expected.insert(expected.end(), workers.begin(), workers.end());
  expected.push_back("resp-0: response");
  EXPECT_EQ(table_of(options), expected);
}

TEST(Seda, WithReuseportEachReceiveLaneHasItsSockets) {
  PipelineOptions options = options_of(ServerModel::seda);
  options.receive.lanes = 3;
  options.sockets = SocketSharing::reuseport;
  EXPECT_THAT(table_of(options),
              ElementsAre("recv-0: receive; sockets 0", "recv-1: receive; sockets 1",
                          "recv-2: receive; sockets 2", "svc-0: service", "resp-0: response"));
  EXPECT_EQ(assignment_of(options).socket_groups, 3u);
}

// --- the models whose lanes run all steps ---

TEST(Sped, OneLaneRunsAll) {
  PipelineOptions options = options_of(ServerModel::sped);
  options.lanes = 4;
  options.receive = {.lanes = 3, .cpus = {1}, .real_time_priority = 9};
  options.worker.lanes = 2;
  EXPECT_THAT(table_of(options),
              ElementsAre("lane-0: receive, service, response; sockets 0; priority 9; cpu 1"));
  expect_plain(assignment_of(options));
}

TEST(Symped, SeveralLanesRunAll) {
  PipelineOptions options = options_of(ServerModel::symped);
  options.lanes = 2;
  options.max_lanes = 4;
  EXPECT_THAT(table_of(options), ElementsAre("lane-0: receive, service, response; sockets 0",
                                             "lane-1: receive, service, response; sockets 0"));
  expect_plain(assignment_of(options));
}

TEST(Symped, WithReuseportEachHasItsSockets) {
  PipelineOptions options = options_of(ServerModel::symped);
  options.lanes = 2;
  options.sockets = SocketSharing::reuseport;
  EXPECT_THAT(table_of(options), ElementsAre("lane-0: receive, service, response; sockets 0",
                                             "lane-1: receive, service, response; sockets 1"));
  EXPECT_EQ(assignment_of(options).socket_groups, 2u);
  EXPECT_FALSE(assignment_of(options).leader_followers);
}

TEST(Symped, WithHandoffThereIsRoomForLanesThatCome) {
  PipelineOptions options = options_of(ServerModel::symped);
  options.lanes = 1;
  options.max_lanes = 3;
  options.sockets = SocketSharing::handoff;
  EXPECT_THAT(table_of(options), ElementsAre("lane-0: receive, service, response; sockets 0",
                                             "lane-1: receive, service, response; sockets 0",
                                             "lane-2: receive, service, response; sockets 0"));
  const Assignment assignment = assignment_of(options);
  EXPECT_TRUE(assignment.leader_followers);
  EXPECT_EQ(assignment.socket_groups, 1u);
}

TEST(Amped, OneLaneRunsAllAndWorkersMayBlock) {
  PipelineOptions options = options_of(ServerModel::amped);
  options.lanes = 4;
  options.worker.lanes = 2;
  options.on_demand_threads = 1;
  EXPECT_THAT(
      table_of(options),
      ElementsAre("lane-0: receive, service, response; sockets 0", "work-0: worker",
                  "work-1: worker", "starter: on_demand", "demand-0: on_demand; transient"));
  expect_plain(assignment_of(options));
}

TEST(Mp, PreforkedProcessesAreLanesThatRunAll) {
  PipelineOptions options = options_of(ServerModel::mp);
  options.lanes = 2;
  for (const SocketSharing sockets : {SocketSharing::shared, SocketSharing::reuseport}) {
    options.sockets = sockets;
    const bool own = sockets == SocketSharing::reuseport;
    EXPECT_THAT(table_of(options), ElementsAre("proc-0: receive, service, response; sockets 0",
                                               "proc-1: receive, service, response; sockets " +
                                                   std::to_string(own ? 1 : 0)));
    const Assignment assignment = assignment_of(options);
    EXPECT_TRUE(assignment.separate_processes);
    EXPECT_FALSE(assignment.process_per_message);
    EXPECT_EQ(assignment.socket_groups, own ? 2u : 1u);
  }
}

TEST(Mp, WithForkOneLaneReceivesAndThereIsAPlaceForEachProcess) {
  PipelineOptions options = options_of(ServerModel::mp);
  options.lanes = 2;
  options.process_use = ProcessUse::fork;
  std::vector<std::string> expected = {"recv-0: receive; sockets 0"};
  for (unsigned i = 0; i < 2 * kForksPerLane; ++i)
    expected.push_back("proc-" + std::to_string(i) + ": service, response; transient");
  EXPECT_EQ(table_of(options), expected);
  const Assignment assignment = assignment_of(options);
  EXPECT_TRUE(assignment.process_per_message);
  EXPECT_FALSE(assignment.separate_processes);
}

// --- functions of an assignment ---

TEST(Assignment, TransientLanesAreNotCountedAmongThoseOfAStep) {
  PipelineOptions options = options_of(ServerModel::amped);
  options.worker.lanes = 2;
  options.on_demand_threads = 3;
  const Assignment assignment = assignment_of(options);
  EXPECT_EQ(lanes_with(assignment, StageId::receive), 1u);
  EXPECT_EQ(lanes_with(assignment, StageId::service), 1u);
  EXPECT_EQ(lanes_with(assignment, StageId::worker), 2u);
  EXPECT_EQ(lanes_with(assignment, StageId::on_demand), 1u) << "the starter";
  EXPECT_EQ(lanes_with(assignment_of(inline_seda()), StageId::response), 1u)
      << "a lane that runs it inline is none of its own";
}

TEST(Assignment, OnlyLanesWithDeferredMessagesMayBlock) {
  PipelineOptions options = options_of(ServerModel::amped);
  options.worker.lanes = 1;
  options.on_demand_threads = 1;
  std::vector<std::string> blocking;
  for (const LanePlan& lane : assignment_of(options).lanes)
    if (lane.may_block()) blocking.push_back(lane.name);
  EXPECT_THAT(blocking, ElementsAre("work-0", "starter", "demand-0"));
}

std::vector<std::string> block_table(const PipelineOptions& options) {
  std::vector<std::string> lines;
  for (const RegionBlock& block : blocks_of(assignment_of(options), options))
    lines.push_back(block.lane + " " + std::string(name_of(block.stage)) +
                    (block.runs_inline ? " inline" : "") +
                    (block.detail == Detail::essential ? " essential" : ""));
  return lines;
}

TEST(Assignment, ALaneHasABlockForEachStepThenForEachItRunsInlineAndMainsIsTheLast) {
  EXPECT_THAT(
      block_table(inline_seda()),
      ElementsAre("recv-0 receive", "recv-0 service inline", "recv-0 response inline",
                  "svc-0 service", "svc-0 response inline", "resp-0 response", "main server"));
  PipelineOptions symped = options_of(ServerModel::symped);
  symped.lanes = 2;
  EXPECT_THAT(block_table(symped),
              ElementsAre("lane-0 receive", "lane-0 service", "lane-0 response", "lane-1 receive",
                          "lane-1 service", "lane-1 response", "main server"));
  for (const LanePlan& lane : assignment_of(symped).lanes) EXPECT_EQ(blocks_of_lane(lane), 3u);
}

TEST(Assignment, TheDetailOfAStageIsThatOfItsBlocksInWhateverLane) {
  PipelineOptions options = inline_seda();
  options.response.detail = Detail::essential;
  EXPECT_THAT(block_table(options), ElementsAre("recv-0 receive", "recv-0 service inline",
                                                "recv-0 response inline essential", "svc-0 service",
                                                "svc-0 response inline essential",
                                                "resp-0 response essential", "main server"));
  options = options_of(ServerModel::sped);
  options.receive.detail = Detail::essential;
  EXPECT_THAT(block_table(options), ElementsAre("lane-0 receive essential", "lane-0 service",
                                                "lane-0 response", "main server"));
}

std::uint64_t max_inside_of(const PipelineOptions& options) {
  return max_inside(assignment_of(options), options);
}

TEST(Assignment, MaxInsideIsSlotsAndABatchOfEachLaneAndWhatWaitsForSlots) {
  PipelineOptions options = options_of(ServerModel::sped);
  EXPECT_EQ(max_inside_of(options), 100u + 10);
  options.shed = true;
  EXPECT_EQ(max_inside_of(options), 100u + 10 + 10) << "and a spare batch";
  options.merged = true;
  EXPECT_EQ(max_inside_of(options), 100u + 10 + 10 * kMaxSegments);

  options = options_of(ServerModel::symped);
  options.lanes = 3;
  EXPECT_EQ(max_inside_of(options), 100u + 3 * 10);
  options.shed = true;
  EXPECT_EQ(max_inside_of(options), 100u + 3 * 10 + 3 * 10);

  options = options_of(ServerModel::amped);
  options.worker.lanes = 2;
  EXPECT_EQ(max_inside_of(options), 100u + 3 * 10);
}

TEST(Assignment, NoneOfTheModelsLeavesAMessageWithoutALane) {
  for (const ModelTraits& model : kModels) {
    PipelineOptions options = options_of(model.id);
    options.worker.lanes = model.workers == WorkerUse::required ? 1 : 0;
    const Assignment assignment = assignment_of(options);
    for (const StageId step : {StageId::receive, StageId::service, StageId::response})
      EXPECT_GT(lanes_with(assignment, step), 0u);
    for (const LanePlan& lane : assignment.lanes) {
      EXPECT_LE(lane.name.size(), 15u) << "as long as the name of a thread may be";
      EXPECT_LT(lane.sockets, assignment.socket_groups);
    }
  }
}

}  // namespace
}  // namespace cpss
