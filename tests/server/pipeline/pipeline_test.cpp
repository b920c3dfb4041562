#include "server/pipeline/pipeline.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sched.h>

#include "server/models/models.h"
#include "services/echo.h"
#include "tests/server/ends.h"
#include "tests/server/gated_echo.h"
#include "tests/server/live_pipeline.h"
#include "tests/support/eventually.h"
#include "tests/support/threads.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;
using test::Client;
using test::expect_booked_by_force;
using test::expect_race_books_each_once;
using test::GatedEcho;
using test::LivePipeline;
using test::small_pipeline;
using test::threads_of;

PipelineOptions many_lanes(std::uint32_t slots) {
  PipelineOptions options = small_pipeline(slots);
  options.receive.lanes = 2;
  options.service.lanes = 3;
  options.response.lanes = 2;
  return options;
}

TEST(Pipeline, EndsAtOnceWithoutTraffic) {
  EchoService echo;
  LivePipeline live(echo, many_lanes(64));
  live.pipeline().start();
  live.end_and_expect_at_rest();
  EXPECT_EQ(live.ledger().received, 0u);
}

TEST(Pipeline, OneThatWasNeverStartedCanGo) {
  EchoService echo;
  LivePipeline live(echo, many_lanes(64));
}

TEST(Pipeline, AnswersEachRequestOnceFromTheSocketThatReceivedIt) {
  EchoService echo;
  LivePipeline live(echo, many_lanes(256), 3);
  live.pipeline().start();
  Client client;
  EXPECT_EQ(client.ask(3000, {live.address(0), live.address(1), live.address(2)}), 3000u);
  live.end_and_expect_at_rest();
  EXPECT_EQ(live.ledger().received, 3000u);
  EXPECT_EQ(live.ledger().sent, 3000u);
  EXPECT_TRUE(client.receive_now().empty()) << "a reply too many";
}

// All lanes wait for the one slot and for the sockets, and wake each other.
TEST(Pipeline, OneSlotServesManyLanesAndSockets) {
  EchoService echo;
  LivePipeline live(echo, many_lanes(1), 2);
  live.pipeline().start();
  Client client;
  EXPECT_EQ(client.ask(2000, {live.address(0), live.address(1)}), 2000u);
  live.end_and_expect_at_rest();
  EXPECT_EQ(live.ledger().received, 2000u);
}

TEST(Pipeline, TheEndAnswersMoreThanAThousandMessagesInside) {
  constexpr unsigned kMessages = 1500;
  GatedEcho service;
  LivePipeline live(service, many_lanes(2048));
  live.pipeline().start();
  Client client;
  for (unsigned i = 0; i < kMessages; ++i) {
    client.send(std::to_string(i), live.address());
    if (i % 100 == 99) {
      ASSERT_TRUE(live.wait_for("received", i + 1));
    }
  }
  ASSERT_TRUE(live.wait_until_inside(kMessages));

  std::set<std::string> texts;
  std::thread reader([&] {
    for (const test::Datagram& reply : client.receive(kMessages)) texts.insert(reply.text);
  });
  const bool ended = live.pipeline().end([&] {
    service.open();
    return false;
  });
  reader.join();
  EXPECT_TRUE(ended);
  EXPECT_EQ(texts.size(), kMessages) << "of replies, each another one";
  live.expect_at_rest();
  EXPECT_EQ(live.reason("answered"), kMessages);
}

TEST(Pipeline, TheEndTakesWhatTheSocketsStillHold) {
  constexpr unsigned kMessages = 200;
  GatedEcho service;
  LivePipeline live(service, small_pipeline(16));
  live.pipeline().start();
  Client client;
  for (unsigned i = 0; i < kMessages; ++i) client.send(std::to_string(i), live.address());
  ASSERT_TRUE(live.wait_for("received", 16));
  EXPECT_TRUE(live.pipeline().end([&] {
    service.open();
    return false;
  }));
  EXPECT_EQ(client.receive(kMessages).size(), kMessages);
  live.expect_at_rest();
  EXPECT_EQ(live.ledger().received, kMessages);
}

class ForcedEnd : public testing::Test {
 protected:
  static constexpr unsigned kMessages = 100;

  // Brings all messages inside, where none can go on.
  void fill(LivePipeline& live, Client& client) {
    live.pipeline().start();
    for (unsigned i = 0; i < kMessages; ++i) client.send(std::to_string(i), live.address());
    ASSERT_TRUE(live.wait_until_inside(kMessages));
  }

  GatedEcho service_;
};

TEST_F(ForcedEnd, BooksExactlyWhatIsInsideAndWhoComesLaterBooksNothing) {
  LivePipeline live(service_, many_lanes(256));
  Client client;
  fill(live, client);
  ASSERT_TRUE(eventually([&] { return service_.inside() > 0; }, 20s, 1ms));

  int asked = 0;
  EXPECT_FALSE(live.pipeline().end([&] { return ++asked == 3; }));
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(expect_booked_by_force(live, service_, client), kMessages);
}

TEST_F(ForcedEnd, WhileTheLanesWorkEachMessageIsBookedOnce) {
  expect_race_books_each_once(many_lanes(256), kMessages, 20);
}

TEST(Pipeline, LanesHaveTheirNamesAndCpus) {
  EchoService echo;
  PipelineOptions options = many_lanes(64);
  const unsigned cpu = test::first_allowed_cpu();
  options.service.cpus = {cpu};
  LivePipeline live(echo, options);
  live.pipeline().start();
  const auto threads = threads_of(::getpid());
  live.end_and_expect_at_rest();
  for (const char* name : {"recv-0", "recv-1", "svc-0", "svc-1", "svc-2", "resp-0", "resp-1"})
    ASSERT_TRUE(threads.contains(name)) << name;
  EXPECT_EQ(threads.at("svc-0").cpus, std::vector<unsigned>{cpu});
  EXPECT_EQ(threads.at("svc-2").cpus, std::vector<unsigned>{cpu});
  EXPECT_EQ(threads.at("recv-0").cpus, threads.at("resp-1").cpus);
  EXPECT_FALSE(threads_of(::getpid()).contains("recv-0")) << "still there after the end";
}

TEST(Pipeline, AStartThatFailsLeavesNoLaneBehind) {
  EchoService echo;
  PipelineOptions options = many_lanes(64);
  options.service.real_time_priority = 100;  // the max is 99
  LivePipeline live(echo, options);
  EXPECT_THROW(live.pipeline().start(), std::system_error);
  const auto threads = threads_of(::getpid());
  for (const char* name : {"recv-0", "svc-0", "svc-1", "resp-0", "resp-1"})
    EXPECT_FALSE(threads.contains(name)) << name;
}

TEST(Pipeline, BlocksAreThoseOfTheLanesInOrderAndMainsLast) {
  const std::vector<RegionBlock> blocks = blocks_of(seda(many_lanes(64)), many_lanes(64));
  std::vector<std::string> names;
  for (const RegionBlock& block : blocks)
    names.push_back(block.lane + " " + std::string(name_of(block.stage)));
  EXPECT_EQ(names, (std::vector<std::string>{"recv-0 receive", "recv-1 receive", "svc-0 service",
                                             "svc-1 service", "svc-2 service", "resp-0 response",
                                             "resp-1 response", "main server"}));
}

class Thrower final : public OneMessageService {
 public:
  void answer(Message& message, LaneState*) override {
    if (message.request().size() == 1) throw std::runtime_error("one byte is too little");
    message.reply_in_place(message.request().size());
  }
};

TEST(Pipeline, WhatLanesReportComesWithTheirNames) {
  Thrower service;
  LivePipeline live(service, small_pipeline());
  live.pipeline().start();
  Client client;
  client.send("1", live.address());
  client.send("22", live.address());
  ASSERT_EQ(client.receive(1).size(), 1u);
  ASSERT_TRUE(live.wait_for("completed", 2));
  live.end_and_expect_at_rest();
  std::vector<std::string> lines;
  const std::uint64_t lost =
      live.pipeline().scoreboard().take_events([&](const std::string& lane, const Event& event) {
        lines.push_back(lane + ": " + std::string(event.text_view()));
      });
  EXPECT_EQ(lost, 0u);
  EXPECT_EQ(lines, std::vector<std::string>{"svc-0: one byte is too little"});
}

// GatedEcho blocks in process(). A service may block only for deferred messages, so all are
// deferred.
PipelineOptions with_workers(std::uint32_t slots, unsigned workers, unsigned on_demand) {
  PipelineOptions options = many_lanes(slots);
  options.worker.lanes = workers;
  options.on_demand_threads = on_demand;
  options.worker_queue = std::max(1u, slots / 2);
  options.defer_all = true;
  return options;
}

std::vector<std::string> threads_called(std::string_view prefix) {
  std::vector<std::string> names;
  for (const auto& [name, thread] : threads_of(::getpid()))
    if (name.starts_with(prefix)) names.push_back(name);
  return names;
}

struct WorkersCase {
  const char* name;
  std::uint32_t slots;
  unsigned workers;
  unsigned on_demand;
  unsigned worker_queue;
  Sharing sharing = Sharing::process_private;
};

class PipelineWithWorkers : public testing::TestWithParam<WorkersCase> {};

TEST_P(PipelineWithWorkers, AnswersEachRequestOnce) {
  constexpr unsigned kRequests = 1500;
  EchoService echo;
  PipelineOptions options =
      with_workers(GetParam().slots, GetParam().workers, GetParam().on_demand);
  options.worker_queue = GetParam().worker_queue;
  options.sharing = GetParam().sharing;
  LivePipeline live(echo, options, 2);
  live.pipeline().start();
  Client client;
  EXPECT_EQ(client.ask(kRequests, {live.address(0), live.address(1)}), kRequests);
  live.end_and_expect_at_rest();
  EXPECT_EQ(live.ledger().received, kRequests);
  EXPECT_EQ(live.total("deferred"), kRequests);
  EXPECT_EQ(live.total("thread_start_errors"), 0u);
  EXPECT_TRUE(client.receive_now().empty()) << "a reply too many";
}

INSTANTIATE_TEST_SUITE_P(
    Pipelines, PipelineWithWorkers,
    testing::Values(WorkersCase{"OneWorker", 64, 1, 0, 32}, WorkersCase{"OneSlot", 1, 2, 2, 1},
                    WorkersCase{"RoomForOne", 64, 3, 0, 1},
                    WorkersCase{"OnDemandThreads", 64, 1, 3, 32},
                    WorkersCase{"OnDemandThreadsAndRoomForOne", 64, 2, 1, 1},
                    WorkersCase{"ProcessShared", 64, 2, 2, 2, Sharing::process_shared}),
    [](const auto& chosen) { return chosen.param.name; });

TEST(PipelineWithOnDemandThreads, TheyComeWhileWorkersBlockAndNeverMoreThanMax) {
  constexpr unsigned kMessages = 20;
  GatedEcho service;
  LivePipeline live(service, with_workers(64, 2, 3));
  live.pipeline().start();
  Client client;
  client.send("0", live.address());
  ASSERT_TRUE(live.wait_for("deferred", 1));
  ASSERT_TRUE(eventually([&] { return service.inside() >= 1; }, 20s, 1ms));
  EXPECT_EQ(live.total("threads_started"), 0u) << "a worker is idle";
  for (unsigned i = 1; i < kMessages; ++i) client.send(std::to_string(i), live.address());
  ASSERT_TRUE(live.wait_for("deferred", kMessages));
  ASSERT_TRUE(live.wait_for("threads_started", 3));
  ASSERT_TRUE(eventually([&] { return service.inside() >= 2 + 3; }, 20s, 1ms));
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(service.inside(), 2u + 3);
  EXPECT_EQ(threads_called("demand-"),
            (std::vector<std::string>{"demand-0", "demand-1", "demand-2"}));
  service.open();
  EXPECT_EQ(client.receive(kMessages).size(), kMessages);
  live.end_and_expect_at_rest();
  EXPECT_TRUE(threads_called("demand-").empty());
  EXPECT_TRUE(threads_called("starter").empty());
}

TEST(PipelineWithOnDemandThreads, TheEndWaitsForThemAndForTheWorkers) {
  constexpr unsigned kMessages = 30;
  GatedEcho service;
  LivePipeline live(service, with_workers(64, 1, 2));
  live.pipeline().start();
  Client client;
  for (unsigned i = 0; i < kMessages; ++i) client.send(std::to_string(i), live.address());
  ASSERT_TRUE(eventually([&] { return service.inside() >= 1 + 2; }, 20s, 1ms));
  expect_end_answers_all(live, service, client, kMessages);
}

// The service lane waits for room in the full worker queue, with requests behind it.
TEST(PipelineWithOnDemandThreads, TheEndAnswersWhatWaitsForRoomInTheWorkerQueue) {
  constexpr unsigned kMessages = 40;
  GatedEcho service;
  PipelineOptions options = with_workers(64, 1, 1);
  options.worker_queue = 2;
  LivePipeline live(service, options);
  live.pipeline().start();
  Client client;
  for (unsigned i = 0; i < kMessages; ++i) client.send(std::to_string(i), live.address());
  ASSERT_TRUE(live.wait_for("received", kMessages));
  ASSERT_TRUE(live.wait_for("deferred", 4));
  EXPECT_EQ(live.total("deferred"), 4u) << "two inside, two in the queue";
  EXPECT_TRUE(live.pipeline().end([&] {
    service.open();
    return false;
  }));
  EXPECT_EQ(client.receive(kMessages).size(), kMessages);
  live.expect_at_rest();
}

TEST(PipelineWithOnDemandThreads, AForcedEndWhileWorkersAndTheyAreInsideBooksEachOnce) {
  constexpr unsigned kMessages = 50;
  GatedEcho service;
  PipelineOptions options = with_workers(64, 2, 2);
  options.worker_queue = 8;  // the other messages wait before it
  LivePipeline live(service, options);
  live.pipeline().start();
  Client client;
  for (unsigned i = 0; i < kMessages; ++i) client.send(std::to_string(i), live.address());
  ASSERT_TRUE(live.wait_for("received", kMessages));
  ASSERT_TRUE(eventually([&] { return service.inside() >= 4; }, 20s, 1ms));

  int asked = 0;
  EXPECT_FALSE(live.pipeline().end([&] { return ++asked == 3; }));
  EXPECT_EQ(expect_booked_by_force(live, service, client), kMessages);
}

TEST(PipelineWithOnDemandThreads, AForcedEndWhileAllWorkBooksEachOnce) {
  expect_race_books_each_once(with_workers(256, 1, 2), 100, 20);
}

TEST(PipelineWithOnDemandThreads, WithShedNobodyWaitsForRoomInTheWorkerQueue) {
  constexpr unsigned kMessages = 60;
  GatedEcho service;
  // Enough slots for two receive lanes with their batches and caches.
  PipelineOptions options = with_workers(1024, 1, 1);
  options.worker_queue = 2;
  options.shed = true;
  LivePipeline live(service, options);
  live.pipeline().start();
  Client client;
  const auto send = [&](unsigned from, unsigned to) {
    for (unsigned i = from; i < to; ++i) client.send(std::to_string(i), live.address());
  };
  for (const unsigned inside : {1u, 2u}) {
    send(inside - 1, inside);
    ASSERT_TRUE(eventually([&] { return service.inside() >= inside; }, 20s, 1ms));
  }
  send(2, 4);
  ASSERT_TRUE(live.wait_for("deferred", 4)) << "two inside, two in the queue";
  send(4, kMessages);
  ASSERT_TRUE(live.wait_for("completed", kMessages - 4));
  EXPECT_TRUE(live.wait_until_inside(4));
  service.open();
  EXPECT_EQ(client.receive(4).size(), 4u);
  live.end_and_expect_at_rest();
  EXPECT_EQ(live.reason("answered"), 4u);
  EXPECT_EQ(live.reason("shed.worker_queue_full"), kMessages - 4);
}

// As after a cpuset has shrunk below the configured CPUs.
TEST(PipelineWithOnDemandThreads, WithCpusThatAreGoneTheyRunOnWhatThereIs) {
  EchoService echo;
  PipelineOptions options = with_workers(64, 1, 1);
  for (PoolOptions* pool : {&options.receive, &options.service, &options.worker, &options.response})
    pool->cpus = {CPU_SETSIZE - 1};
  LivePipeline live(echo, options);
  live.pipeline().start();
  Client client;
  EXPECT_EQ(client.ask(100, {live.address()}), 100u);
  live.end_and_expect_at_rest();
}

TEST(PipelineWithOnDemandThreads, TheirEventsComeWithTheirNames) {
  class SlowThrower final : public Service {
   public:
    void process(std::span<Message> batch, LaneState*) override {
      for (Message& message : batch) message.defer();
    }
    void process_deferred(Message&, LaneState*) override {
      ++inside;
      eventually([this] { return inside >= 2; }, 20s, 1ms);
      throw std::runtime_error("no");
    }
    std::atomic<int> inside{0};
  } service;
  LivePipeline live(service, with_workers(64, 1, 1));
  live.pipeline().start();
  Client client;
  client.send("1", live.address());
  client.send("2", live.address());
  ASSERT_TRUE(live.wait_for("completed", 2));
  live.end_and_expect_at_rest();
  std::set<std::string> lanes;
  live.pipeline().scoreboard().take_events(
      [&](const std::string& lane, const Event&) { lanes.insert(lane); });
  EXPECT_EQ(lanes, (std::set<std::string>{"work-0", "demand-0"}));
}

TEST(PipelineWithOnDemandThreads, BlocksAreInTheOrderOfTheFlow) {
  std::vector<std::string> names;
  for (const RegionBlock& block : blocks_of(seda(with_workers(64, 2, 2)), with_workers(64, 2, 2)))
    names.push_back(block.lane + " " + std::string(name_of(block.stage)));
  names.erase(names.begin(), names.begin() + 5);
  EXPECT_EQ(names, (std::vector<std::string>{"work-0 worker", "work-1 worker", "starter on_demand",
                                             "demand-0 on_demand", "demand-1 on_demand",
                                             "resp-0 response", "resp-1 response", "main server"}));
}

TEST(Pipeline, WorksInSharedMemory) {
  for (const unsigned workers : {0u, 2u}) {
    EchoService echo;
    PipelineOptions options = many_lanes(64);
    options.sharing = Sharing::process_shared;
    options.worker.lanes = workers;
    options.worker_queue = 8;
    options.defer_all = workers > 0;
    LivePipeline live(echo, options);
    live.pipeline().start();
    Client client;
    EXPECT_EQ(client.ask(500, {live.address()}), 500u);
    live.end_and_expect_at_rest();
    EXPECT_EQ(live.ledger().sent, 500u);
  }
}

}  // namespace
}  // namespace cpss
