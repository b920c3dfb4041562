#include "stats/queue_flow.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/stats/deferring_server.h"
#include "tests/stats/sample_server.h"
#include "tests/support/temporary_folder.h"

namespace cpss {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// "service: forwarded receive 5, entered service 3, most 2", one line for each queue.
std::vector<std::string> lines(const Snapshot& snapshot) {
  std::vector<std::string> result;
  for (const QueueFlow& flow : queue_flows(snapshot))
    result.push_back(std::string(flow.stage) + ": " + flow.put_text + " " +
                     std::to_string(flow.put) + ", " + flow.taken_text + " " +
                     std::to_string(flow.taken) + ", most " + std::to_string(flow.high_water));
  return result;
}

class QueueFlowTest : public testing::Test {
 protected:
  TemporaryFolder folder_;
};

TEST_F(QueueFlowTest, WithoutWorkersThereAreTwoQueues) {
  test::SampleServer server(folder_.file("stats"));
  server.take_in(5);
  server.serve(3);
  server.answer(2);
  server.receive.raise(Gauge::queue_high_water, 4);
  server.service.raise(Gauge::queue_high_water, 3);
  EXPECT_THAT(lines(server.region.snapshot()),
              ElementsAre("service: forwarded receive 5, entered service 3, most 4",
                          "response: forwarded service 3, entered response 2, most 3"));
}

TEST_F(QueueFlowTest, TheWorkerQueueLiesBetweenServiceAndBothThatTakeFromIt) {
  test::DeferringServer server(folder_.file("stats"));
  server.take_in(20);
  server.serve(5);
  server.defer(10);
  server.work(server.worker, 4);
  server.work(server.on_demand, 3);
  server.answer(9);
  server.receive.raise(Gauge::queue_high_water, 8);
  server.service.raise(Gauge::queue_high_water, 2);
  server.service.raise(Gauge::worker_queue_high_water, 7);
  server.worker.raise(Gauge::queue_high_water, 5);
  server.on_demand.raise(Gauge::queue_high_water, 6);
  EXPECT_THAT(
      lines(server.region.snapshot()),
      ElementsAre(
          "service: forwarded receive 20, entered service 15, most 8",
          "worker: deferred 10, entered worker + on_demand 7, most 7",
          "response: forwarded service - deferred + forwarded worker + forwarded on_demand 12, "
          "entered response 9, "
          "most 6"));
}

TEST_F(QueueFlowTest, WithoutOnDemandThreadsTheirPartIsLeftOut) {
  RegionOptions options = test::deferring_options(folder_.file("stats"));
  options.blocks.erase(options.blocks.begin() + 3, options.blocks.begin() + 5);
  StatsRegion region(options);
  region.writer(1).add(Counter::forwarded, 5);
  region.writer(1).add(Counter::deferred, 4);
  region.writer(2).add(Counter::entered, 3);
  region.writer(2).add(Counter::forwarded, 2);
  EXPECT_THAT(
      lines(region.snapshot()),
      ElementsAre(
          "service: forwarded receive 0, entered service 0, most 0",
          "worker: deferred 4, entered worker 3, most 0",
          "response: forwarded service - deferred + forwarded worker 3, entered response 0, "
          "most 0"));
}

// Messages do not pass the queues: between two steps the lane holds them.
TEST_F(QueueFlowTest, WhereLanesRunAllStagesTheQueuesHoldNothing) {
  RegionOptions options = test::sample_options(folder_.file("stats"));
  options.blocks = {{"lane-0", StageId::receive},  {"lane-0", StageId::service},
                    {"lane-0", StageId::response}, {"main", StageId::server},
                    {"lane-1", StageId::receive},  {"lane-1", StageId::service},
                    {"lane-1", StageId::response}};
  test::SampleServer server(options);
  server.answered(5);
  server.region.writer(4).add(Counter::forwarded, 2);
  server.region.writer(5).add(Counter::entered, 2);
  EXPECT_THAT(lines(server.region.snapshot()),
              ElementsAre("service: forwarded receive 7, entered service 7, most 0",
                          "response: forwarded service 5, entered response 5, most 0"));
}

// One event loop, and workers for deferred messages.
TEST_F(QueueFlowTest, BesideALaneOfAllStagesThereIsTheWorkerQueue) {
  RegionOptions options = test::sample_options(folder_.file("stats"));
  options.blocks = {{"lane-0", StageId::receive},
                    {"lane-0", StageId::service},
                    {"lane-0", StageId::response},
                    {"main", StageId::server},
                    {"work-0", StageId::worker}};
  test::SampleServer server(options);
  server.answered(5);
  server.take_in(4);
  server.serve(4);
  server.service.add(Counter::deferred, 4);
  server.service.raise(Gauge::worker_queue_high_water, 3);
  StatsWriter worker = server.region.writer(4);
  worker.add(Counter::entered, 3);
  worker.add(Counter::forwarded, 2);
  worker.raise(Gauge::queue_high_water, 1);
  EXPECT_THAT(
      lines(server.region.snapshot()),
      ElementsAre(
          "service: forwarded receive 9, entered service 9, most 0",
          "worker: deferred 4, entered worker 3, most 3",
          "response: forwarded service - deferred + forwarded worker 7, entered response 5, "
          "most 1"));
}

TEST_F(QueueFlowTest, ASnapshotWithoutStagesHasNoQueues) {
  EXPECT_THAT(lines(Snapshot{}), IsEmpty());
}

}  // namespace
}  // namespace cpss
