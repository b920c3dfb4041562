// The pipeline under each model whose lanes are threads, on real sockets: traffic, the end, the
// forced end, a start that fails. Tests for seda alone: pipeline_test.cpp.
#include <atomic>
#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/syscall.h>

#include "queue/semaphore.h"
#include "server/pipeline/pipeline.h"
#include "services/echo.h"
#include "tests/server/ends.h"
#include "tests/server/gated_echo.h"
#include "tests/server/live_pipeline.h"
#include "tests/support/eventually.h"
#include "tests/support/failing_calls.h"
#include "tests/support/sanitizers.h"
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

struct ModelCase {
  const char* name;
  ServerModel model;
  SocketSharing sockets = SocketSharing::shared;
  std::size_t groups = 1;  // of sockets, here one in each
  bool workers = false;
  bool sharing = false;  // lanes share their work
};

PipelineOptions options_of(const ModelCase& chosen, std::uint32_t slots = 64) {
  PipelineOptions options = small_pipeline(slots);
  options.model = chosen.model;
  options.sockets = chosen.sockets;
  options.lanes = 3;
  options.max_lanes = 5;
  options.idle_lane_end = 5ms;
  options.inline_max = 50us;
  options.cpus = 2;
  if (chosen.sharing) options.sharing_lanes = 3;
  if (!chosen.workers) return options;
  options.worker.lanes = 2;
  options.on_demand_threads = 2;
  options.worker_queue = slots;
  return options;
}

class PipelineOfModel : public testing::TestWithParam<ModelCase> {
 protected:
  static constexpr unsigned kMessages = 60;

  // Brings some messages inside, where the service holds them up.
  static void fill(LivePipeline& live, const GatedEcho& service, Client& client) {
    live.pipeline().start();
    const std::vector<SocketAddress> to = live.addresses();
    for (unsigned i = 0; i < kMessages; ++i) client.send(std::to_string(i), to[i % to.size()]);
    ASSERT_TRUE(eventually([&] { return service.inside() > 0; }, 20s, 1ms));
  }
  static bool no_thread_called(std::string_view prefix) {
    for (const auto& [name, thread] : test::threads_of(::getpid()))
      if (name.starts_with(prefix)) return false;
    return true;
  }
};

TEST_P(PipelineOfModel, EndsAtOnceWithoutTraffic) {
  EchoService echo;
  LivePipeline live(echo, options_of(GetParam()), GetParam().groups);
  live.pipeline().start();
  live.end_and_expect_at_rest();
  EXPECT_EQ(live.ledger().received, 0u);
  EXPECT_TRUE(no_thread_called("lane-"));
}

TEST_P(PipelineOfModel, OneThatWasNeverStartedCanGo) {
  EchoService echo;
  LivePipeline live(echo, options_of(GetParam()), GetParam().groups);
}

TEST_P(PipelineOfModel, AnswersEachRequestOnceFromTheSocketThatReceivedIt) {
  constexpr unsigned kRequests = kSanitized ? 500 : 2000;
  for (const std::uint32_t slots : {64u, 1u}) {
    EchoService echo;
    PipelineOptions options = options_of(GetParam(), slots);
    options.defer_all = GetParam().workers;
    LivePipeline live(echo, options, GetParam().groups);
    live.pipeline().start();
    Client client;
    EXPECT_EQ(client.ask(kRequests, live.addresses()), kRequests) << slots;
    live.end_and_expect_at_rest();
    EXPECT_EQ(live.ledger().received, kRequests);
    EXPECT_EQ(live.ledger().sent, kRequests);
    EXPECT_EQ(live.total("deferred"), GetParam().workers ? kRequests : 0);
    EXPECT_TRUE(client.receive_now().empty()) << "a reply too many";
  }
}

TEST_P(PipelineOfModel, WhatTheServiceDefersIsAnsweredToo) {
  class Deferring final : public Service {
   public:
    void process(std::span<Message> batch, LaneState*) override {
      for (Message& message : batch)
        if (message.request().size() % 2 == 0)
          message.defer();
        else
          message.reply_in_place(message.request().size());
    }
    void process_deferred(Message& message, LaneState*) override {
      message.reply_in_place(message.request().size());
    }
  } service;
  LivePipeline live(service, options_of(GetParam()), GetParam().groups);
  live.pipeline().start();
  Client client;
  EXPECT_EQ(client.ask(300, live.addresses()), 300u);
  live.end_and_expect_at_rest();
  EXPECT_EQ(live.total("deferred") + live.total("deferred_in_place"), 90u) << "10 to 99";
  EXPECT_EQ(live.total("deferred_in_place") > 0, !GetParam().workers && !GetParam().sharing);
}

TEST_P(PipelineOfModel, TheEndAnswersWhatIsInsideAndWhatTheSocketsStillHold) {
  GatedEcho service;
  PipelineOptions options = options_of(GetParam(), 16);
  LivePipeline live(service, options, GetParam().groups);
  Client client;
  fill(live, service, client);
  expect_end_answers_all(live, service, client, kMessages);
}

TEST_P(PipelineOfModel, AForcedEndBooksWhatIsInsideOnceAndWhoComesLaterBooksNothing) {
  GatedEcho service;
  LivePipeline live(service, options_of(GetParam()), GetParam().groups);
  Client client;
  fill(live, service, client);
  int asked = 0;
  EXPECT_FALSE(live.pipeline().end([&] { return ++asked == 2; }));
  live.pipeline().stop_receiving();
  EXPECT_GT(expect_booked_by_force(live, service, client), 0u);
}

TEST_P(PipelineOfModel, WhileTheLanesWorkEachMessageIsBookedOnce) {
  expect_race_books_each_once(options_of(GetParam()), kMessages, 10, GetParam().groups);
}

TEST_P(PipelineOfModel, WhatTheNextServerIsToReadStaysInTheSockets) {
  GatedEcho service;
  PipelineOptions options = options_of(GetParam(), 4);
  options.stop_reading = true;
  LivePipeline live(service, options, GetParam().groups);
  Client client;
  fill(live, service, client);
  EXPECT_TRUE(live.pipeline().end([&] {
    service.open();
    return false;
  }));
  live.expect_at_rest();
  EXPECT_LT(live.ledger().received, kMessages);
  EXPECT_EQ(client.receive(live.ledger().received).size(), live.ledger().received)
      << "what was read is answered";
}

TEST_P(PipelineOfModel, AStartThatFailsLeavesNoLaneBehind) {
  EchoService echo;
  PipelineOptions options = options_of(GetParam());
  options.receive.real_time_priority = 100;  // of all that receive; the max is 99
  LivePipeline live(echo, options, GetParam().groups);
  EXPECT_THROW(live.pipeline().start(), std::system_error);
  for (const char* kind : {"lane-", "recv-", "svc-", "work-", "starter", "resp-"})
    EXPECT_TRUE(no_thread_called(kind)) << kind;
}

INSTANTIATE_TEST_SUITE_P(
    Models, PipelineOfModel,
    testing::Values(ModelCase{"Seda", ServerModel::seda}, ModelCase{"Sped", ServerModel::sped},
                    ModelCase{"SedaSharing", ServerModel::seda, SocketSharing::shared, 1, false,
                              true},
                    ModelCase{"SedaSharingWithWorkers", ServerModel::seda, SocketSharing::shared, 1,
                              true, true},
                    ModelCase{"SympedShared", ServerModel::symped},
                    ModelCase{"SympedReuseport", ServerModel::symped, SocketSharing::reuseport, 3},
                    ModelCase{"SympedHandoff", ServerModel::symped, SocketSharing::handoff},
                    ModelCase{"Amped", ServerModel::amped, SocketSharing::shared, 1, true}),
    [](const auto& chosen) { return chosen.param.name; });

// One lane at first, more while all are full, at most `max`; `limit` messages fill a lane.
PipelineOptions handoff(unsigned max, unsigned limit) {
  PipelineOptions options = small_pipeline();
  options.model = ServerModel::symped;
  options.sockets = SocketSharing::handoff;
  options.lanes = 1;
  options.max_lanes = max;
  options.handoff_limit = limit;
  return options;
}

TEST(PipelineOfSymped, WithHandoffLanesComeWithTrafficAndEndWithoutIt) {
  constexpr unsigned kWaves = 20;
  constexpr unsigned kRequests = 50;
  EchoService echo;
  PipelineOptions options = handoff(4, 1);
  options.idle_lane_end = 2ms;
  LivePipeline live(echo, options);
  live.pipeline().start();
  Client client;
  for (unsigned wave = 0; wave < kWaves; ++wave) {
    const std::uint64_t started = live.total("threads_started");
    EXPECT_EQ(client.ask(kRequests, {live.address()}), kRequests);
    ASSERT_TRUE(live.wait_for("threads_started", started + 1)) << "in each wave";
    // One lane remains: the leader.
    ASSERT_TRUE(live.wait_for("threads_ended", live.total("threads_started")));
  }
  client.ask(kRequests, {live.address()});
  live.end_and_expect_at_rest();
  EXPECT_EQ(live.ledger().received, (kWaves + 1) * kRequests);
  EXPECT_GT(live.total("handoffs"), kWaves);
  EXPECT_EQ(live.reason("answered"), (kWaves + 1) * kRequests);
}

// With its first message the lane loses the ability to start threads. Meanwhile two more messages
// come, which fill it: so its start of another lane fails, and main has to start one while the
// service blocks.
TEST(PipelineOfSymped, WithHandoffMainStartsALaneThatAnotherCouldNotStart) {
  class BlocksTwice final : public Service {
   public:
    void process(std::span<Message> batch, LaneState*) override {
      for (Message& message : batch) {
        const int number = ++messages;
        if (number == 1) test::let_calls_fail({SYS_clone, SYS_clone3}, EAGAIN);
        if (number <= 2) gate.take(1);
        message.reply_in_place(message.request().size());
      }
    }
    std::atomic<int> messages = 0;
    Semaphore gate;
  };
  BlocksTwice service;
  LivePipeline live(service, handoff(2, 2));
  live.pipeline().start();
  Client client;
  client.send("1", live.address());
  EXPECT_TRUE(eventually([&] { return service.messages == 1; }));
  client.send("2", live.address());
  client.send("3", live.address());
  service.gate.post(1);
  EXPECT_TRUE(eventually([&] { return service.messages == 2; }));
  client.send("4", live.address());
  EXPECT_TRUE(eventually([&] {
    live.pipeline().tick();
    return service.messages == 3;
  }));
  service.gate.post(1);
  EXPECT_EQ(client.receive(4).size(), 4u);
  live.end_and_expect_at_rest();
  EXPECT_GE(live.total("thread_start_errors"), 1u);
}

TEST(PipelineOfSymped, WithHandoffALaneReceivesNoMoreThanItsLimit) {
  GatedEcho service;
  LivePipeline live(service, handoff(3, 4));
  Client client;
  // Sent before the start: a lane that finds less than its limit stays the leader while it is held
  // up.
  for (unsigned i = 0; i < 30; ++i) client.send(std::to_string(i), live.address());
  live.pipeline().start();
  ASSERT_TRUE(live.wait_for("received", 3));
  ASSERT_TRUE(eventually([&] { return service.inside() >= 3; }, 20s, 1ms));
  EXPECT_LE(live.ledger().received, 3u * 4);
  service.open();
  EXPECT_EQ(client.receive(30).size(), 30u);
  live.end_and_expect_at_rest();
}

// The loop has had nothing to do for long, but workers are inside messages, and more messages wait.
TEST(PipelineOfAmped, TheEndWaitsForDeferredMessages) {
  constexpr unsigned kMessages = 40;
  GatedEcho service;
  PipelineOptions options =
      options_of({"Amped", ServerModel::amped, SocketSharing::shared, 1, true});
  options.worker.lanes = 1;
  options.on_demand_threads = 1;
  options.defer_all = true;
  LivePipeline live(service, options);
  live.pipeline().start();
  Client client;
  for (unsigned i = 0; i < kMessages; ++i) client.send(std::to_string(i), live.address());
  ASSERT_TRUE(live.wait_for("deferred", kMessages)) << "the loop does not wait for the workers";
  ASSERT_TRUE(eventually([&] { return service.inside() == 2; }, 20s, 1ms));
  expect_end_answers_all(live, service, client, kMessages);
}

TEST(PipelineOfAmped, WhileWorkersAreInsideTheLoopAnswersTheOthers) {
  class DefersOne final : public Service {
   public:
    void process(std::span<Message> batch, LaneState*) override {
      for (Message& message : batch)
        if (message.request().size() == 4)  // slow
          message.defer();
        else
          message.reply_in_place(message.request().size());
    }
    void process_deferred(Message& message, LaneState* state) override {
      gate.process(std::span(&message, 1), state);
    }
    GatedEcho gate;
  } service;
  PipelineOptions options =
      options_of({"Amped", ServerModel::amped, SocketSharing::shared, 1, true});
  LivePipeline live(service, options);
  live.pipeline().start();
  Client slow, quick;
  slow.send("slow", live.address());
  ASSERT_TRUE(eventually([&] { return service.gate.inside() == 1; }, 20s, 1ms));
  EXPECT_EQ(quick.ask(200, {live.address()}), 200u);
  EXPECT_TRUE(slow.receive_now().empty());
  service.gate.open();
  EXPECT_EQ(slow.receive(1).size(), 1u) << "out of its sleep for datagrams";
  live.end_and_expect_at_rest();
}

TEST(PipelineOfAmped, AForcedEndWhileWorkersAreInsideBooksEachOnce) {
  constexpr unsigned kMessages = 30;
  GatedEcho service;
  PipelineOptions options =
      options_of({"Amped", ServerModel::amped, SocketSharing::shared, 1, true});
  options.defer_all = true;
  LivePipeline live(service, options);
  live.pipeline().start();
  Client client;
  for (unsigned i = 0; i < kMessages; ++i) client.send(std::to_string(i), live.address());
  ASSERT_TRUE(live.wait_for("deferred", kMessages));
  ASSERT_TRUE(eventually([&] { return service.inside() == 4; }, 20s, 1ms));
  int asked = 0;
  EXPECT_FALSE(live.pipeline().end([&] { return ++asked == 2; }));
  live.pipeline().stop_receiving();
  EXPECT_EQ(expect_booked_by_force(live, service, client), kMessages);
}

}  // namespace
}  // namespace cpss
