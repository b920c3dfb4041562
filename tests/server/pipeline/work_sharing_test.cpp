// Lanes that share their work, on real sockets: what of it could go wrong, a test each.
#include <atomic>
#include <chrono>
#include <future>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "server/pipeline/pipeline.h"
#include "services/echo.h"
#include "tests/server/ends.h"
#include "tests/server/live_pipeline.h"
#include "tests/support/eventually.h"
#include "tests/support/sanitizers.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;
using test::Client;
using test::LivePipeline;
using test::small_pipeline;

// Three lanes, as on two CPUs.
PipelineOptions sharing(std::uint32_t slots = 64) {
  PipelineOptions options = small_pipeline(slots);
  options.sharing_lanes = 3;
  options.inline_max = 50us;
  options.cpus = 2;
  return options;
}

// The same, but of what came as one arrival a lane runs one message and queues the others.
PipelineOptions queueing(std::uint32_t slots = 64) {
  PipelineOptions options = sharing(slots);
  options.inline_max = 1ns;
  options.merged = true;
  return options;
}

// Echoes, but messages that begin with 'd' are deferred, and block until open(); those that begin
// with 'b' block at once, as no service may; of those that begin with 'f' the first one does.
class Blocking final : public Service {
 public:
  void process(std::span<Message> batch, LaneState*) override {
    for (Message& message : batch) {
      const char first = static_cast<char>(message.request()[0]);
      if (first == 'd') {
        message.defer();
        continue;
      }
      if (first == 'b' || (first == 'f' && !first_.test_and_set())) block();
      message.reply_in_place(message.request().size());
    }
  }
  void process_deferred(Message& message, LaneState*) override {
    block();
    message.reply_in_place(message.request().size());
  }
  void open() { gate_.set_value(); }
  int inside() const { return inside_; }
  int max_inside() const { return max_inside_; }

 private:
  void block() {
    const int now = ++inside_;
    int most = max_inside_;
    while (most < now && !max_inside_.compare_exchange_weak(most, now)) {
    }
    opened_.wait();
    --inside_;
  }

  std::atomic_flag first_;
  std::promise<void> gate_;
  std::shared_future<void> opened_{gate_.get_future()};
  std::atomic<int> inside_{0};
  std::atomic<int> max_inside_{0};
};

class WorkSharingPipelineTest : public testing::Test {
 protected:
  void start(const PipelineOptions& options) {
    live_.emplace(service_, options);
    live_->pipeline().start();
  }
  void send(const std::string& kind, int messages) {
    for (int i = 0; i < messages; ++i) client_.send(kind + std::to_string(i), live_->address());
  }
  bool wait_until_inside(int messages) const {
    return eventually([&] { return service_.inside() == messages; }, 20s, 1ms);
  }
  void finish(std::uint64_t messages) {
    live_->end_and_expect_at_rest();
    EXPECT_EQ(live_->ledger().received, messages);
    EXPECT_EQ(live_->reason("answered"), messages);
  }

  Blocking service_;
  std::optional<LivePipeline> live_;
  Client client_;
  Client other_;
};

TEST_F(WorkSharingPipelineTest, TheLastLaneThatIsNotBlockedEntersNoDeferredMessage) {
  start(sharing());
  send("d", 10);
  ASSERT_TRUE(wait_until_inside(2));
  EXPECT_EQ(other_.ask(200, {live_->address()}), 200u) << "nobody is left to answer";
  EXPECT_EQ(service_.inside(), 2);
  service_.open();
  EXPECT_EQ(client_.receive(10).size(), 10u);
  EXPECT_EQ(service_.max_inside(), 2);
  finish(210);
  EXPECT_EQ(live_->total("deferred"), 10u);
}

// As many as may: none of them waits while a lane sleeps.
TEST_F(WorkSharingPipelineTest, DeferredMessagesRunSideBySide) {
  PipelineOptions options = sharing();
  options.sharing_lanes = 5;
  start(options);
  send("d", 4);
  EXPECT_TRUE(wait_until_inside(4));
  EXPECT_EQ(other_.ask(20, {live_->address()}), 20u);
  service_.open();
  EXPECT_EQ(client_.receive(4).size(), 4u);
  finish(24);
}

TEST_F(WorkSharingPipelineTest, ALaneThatIsHeldUpHoldsUpNoOther) {
  start(sharing());
  send("b", 1);
  ASSERT_TRUE(wait_until_inside(1));
  EXPECT_EQ(other_.ask(100, {live_->address()}), 100u);
  service_.open();
  EXPECT_EQ(client_.receive(1).size(), 1u);
  finish(101);
}

// Of one arrival, more than a batch.
TEST_F(WorkSharingPipelineTest, WhatALaneHoldsIsQueuedBeforeItRunsItsPart) {
  start(queueing());
  client_.send_as_one("f", 60, live_->address());
  EXPECT_EQ(client_.receive(59).size(), 59u);
  EXPECT_EQ(service_.inside(), 1);
  service_.open();
  EXPECT_EQ(client_.receive(1).size(), 1u);
  finish(60);
}

// The third lane is away, since two attend. It is called to receive, so that the kernel need not
// drop what comes, but not to be held up as well.
TEST_F(WorkSharingPipelineTest, IfAllThatAttendAreHeldUpOneMoreComesAndReceives) {
  constexpr int kMore = 40;
  start(sharing());
  send("b", 1);
  ASSERT_TRUE(wait_until_inside(1));
  send("b", 1);
  ASSERT_TRUE(wait_until_inside(2));
  send("b", kMore);
  ASSERT_TRUE(live_->tick_until("received", 2 + kMore));
  EXPECT_EQ(service_.inside(), 2);
  service_.open();
  EXPECT_EQ(client_.receive(2 + kMore).size(), 2u + kMore);
  EXPECT_EQ(other_.ask(20, {live_->address()}), 20u);
  finish(2 + kMore + 20);
}

// What a lane puts aside for others it may have to take back, and none of it may be left lying: not
// in the middle of traffic, nor at the end.
TEST_F(WorkSharingPipelineTest, TheDrainClosesTheRequestsOnlyAfterEveryLaneHasAnnouncedItsEnd) {
  constexpr unsigned kRounds = kSanitized ? 10 : 40;
  for (unsigned round = 0; round < kRounds; ++round) {
    EchoService echo;
    LivePipeline live(echo, queueing(512));
    live.pipeline().start();
    Client client;
    ASSERT_EQ(client.ask(20, {live.address()}), 20u);
    for (int i = 0; i < 10; ++i) client.send_as_one("x", 30, live.address());
    live.end_and_expect_at_rest();
    EXPECT_EQ(live.reason("answered"), live.ledger().received);
    EXPECT_EQ(client.receive(live.ledger().received - 20).size() + 20, live.ledger().received);
    EXPECT_GT(live.total("queue_wait_ns"), 0u) << "nothing was queued";
  }
}

TEST_F(WorkSharingPipelineTest, AtTheEndDeferredMessagesAreProcessedToo) {
  PipelineOptions options = sharing();
  start(options);
  send("d", 20);
  ASSERT_TRUE(wait_until_inside(2));
  int asked = 0;
  EXPECT_TRUE(live_->pipeline().end([&] {
    if (++asked == 3) service_.open();
    return false;
  }));
  live_->expect_at_rest();
  EXPECT_EQ(client_.receive(20).size(), 20u);
}

// Defers everything. The lane that has the first message waits with it until open(), and then with
// each until another lane has one too, which takes its time.
class Hesitating final : public Service {
 public:
  void process(std::span<Message> batch, LaneState*) override {
    for (Message& message : batch) {
      if (!begun_.exchange(true)) {
        first_ = std::this_thread::get_id();
        opened_.wait();
      } else if (std::this_thread::get_id() == first_) {
        EXPECT_TRUE(eventually([this] { return others_ > 0; }, 20s, 1ms));
      } else {
        ++others_;
        std::this_thread::sleep_for(300ms);
      }
      message.defer();
    }
  }
  void process_deferred(Message& message, LaneState*) override {
    message.reply_in_place(message.request().size());
  }
  bool begun() const { return begun_; }
  void open() { gate_.set_value(); }

 private:
  std::atomic<bool> begun_{false};
  std::atomic<std::thread::id> first_;
  std::promise<void> gate_;
  std::shared_future<void> opened_{gate_.get_future()};
  std::atomic<int> others_{0};
};

// Two lanes have announced that they receive no more. The third receives an arrival more, they take
// some of it from the queue, and it is done before they are: who processes what they then defer has
// to be there still.
TEST_F(WorkSharingPipelineTest, TheDrainEndsTheWorkersOnlyAfterNoLaneDefersAnyMore) {
  for (const unsigned workers : {0U, 2U}) {
    SCOPED_TRACE(workers);
    Hesitating service;
    PipelineOptions options = queueing(512);
    options.worker.lanes = workers;
    options.worker_queue = options.slots;
    LivePipeline live(service, options);
    live.pipeline().start();
    Client client;
    client.send("x", live.address());
    ASSERT_TRUE(eventually([&] { return service.begun(); }));
    int asked = 0;
    EXPECT_TRUE(live.pipeline().end([&] {
      if (++asked == 5) {
        client.send_as_one("x", 30, live.address());
        service.open();
      }
      return false;
    }));
    live.expect_at_rest();
    EXPECT_EQ(live.ledger().received, 31u);
    EXPECT_EQ(live.reason("answered"), 31u);
  }
}

TEST_F(WorkSharingPipelineTest, WhatWasQueuedAndTakenBackCountsAsQueuedWithItsWait) {
  for (const bool queued : {false, true}) {
    EchoService echo;
    LivePipeline live(echo, queueing());
    live.pipeline().start();
    Client client;
    for (int round = 0; round < 20; ++round) {
      const std::size_t messages = queued ? 20 : 1;
      client.send_as_one("x", messages, live.address());
      ASSERT_EQ(client.receive(messages).size(), messages);
    }
    live.end_and_expect_at_rest();
    EXPECT_EQ(live.total("queue_wait_ns") > 0, queued);
  }
}

// One slot, two, three: lanes wait for slots while requests lie in the queue.
TEST_F(WorkSharingPipelineTest, WithFewSlotsWhoWaitsForOneTakesRequestsMeanwhile) {
  for (const std::uint32_t slots : {1u, 2u, 3u, 5u}) {
    EchoService echo;
    LivePipeline live(echo, queueing(slots));
    live.pipeline().start();
    Client client;
    for (int round = 0; round < 50; ++round) {
      client.send_as_one("x", 20, live.address());
      ASSERT_EQ(client.receive(20).size(), 20u) << slots << " slots, round " << round;
    }
    live.end_and_expect_at_rest();
  }
}

}  // namespace
}  // namespace cpss
