#include "server/pipeline.h"

#include <atomic>
#include <chrono>
#include <future>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include <gtest/gtest.h>
#include <sched.h>

#include "services/echo.h"
#include "tests/server/live_pipeline.h"
#include "tests/support/threads.h"

namespace cpss {
namespace {

using namespace std::chrono_literals;
using test::Client;
using test::LivePipeline;
using test::small_pipeline;
using test::threads_of;

// Echoes once its gate is open; until then its lanes block, as no real service may.
class GatedEcho final : public Service {
 public:
  void process(std::span<Message> batch, LaneState*) override {
    inside_ += batch.size();
    opened_.wait();
    for (Message& message : batch) message.reply_in_place(message.request().size());
  }
  void open() {
    if (!is_open_.exchange(true)) gate_.set_value();
  }
  std::size_t inside() const { return inside_; }

 private:
  std::promise<void> gate_;
  std::shared_future<void> opened_{gate_.get_future()};
  std::atomic<bool> is_open_{false};
  std::atomic<std::size_t> inside_{0};
};

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

// Every lane waits for the one slot, and for sockets, and wakes the others.
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
  ASSERT_EQ(live.ledger().in_flight, kMessages);

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

  // All messages inside, none can go on.
  void fill(LivePipeline& live, Client& client) {
    live.pipeline().start();
    for (unsigned i = 0; i < kMessages; ++i) client.send(std::to_string(i), live.address());
    ASSERT_TRUE(live.wait_for("received", kMessages));
    ASSERT_EQ(live.ledger().in_flight, kMessages);
  }

  GatedEcho service_;
};

TEST_F(ForcedEnd, BooksExactlyWhatIsInsideAndWhoComesLaterBooksNothing) {
  LivePipeline live(service_, many_lanes(256));
  Client client;
  fill(live, client);
  while (service_.inside() == 0) std::this_thread::sleep_for(1ms);

  int asked = 0;
  EXPECT_FALSE(live.pipeline().end([&] { return ++asked == 3; }));
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(live.pipeline().seize_all(live.main()), kMessages);
  EXPECT_EQ(live.pipeline().seize_all(live.main()), 0u) << "nothing is booked twice";
  EXPECT_EQ(live.reason("failed.forced_end"), kMessages);
  EXPECT_EQ(live.ledger().residual, 0);
  EXPECT_EQ(live.ledger().in_flight, 0);

  service_.open();
  live.end_and_expect_at_rest();
  EXPECT_EQ(live.reason("failed.forced_end"), kMessages);
  EXPECT_EQ(live.reason("failed.stale_slot"), 0u);
  EXPECT_EQ(live.reason("answered"), 0u);
  EXPECT_TRUE(client.receive_now().empty());
}

// Main and the lanes race for each message; together they book each once.
TEST_F(ForcedEnd, WhileTheLanesWorkEachMessageIsBookedOnce) {
  for (int round = 0; round < 20; ++round) {
    EchoService echo;
    LivePipeline live(echo, many_lanes(256));
    live.pipeline().start();
    Client client;
    for (unsigned i = 0; i < kMessages; ++i) client.send(std::to_string(i), live.address());
    std::uint64_t seized = 0;
    ASSERT_TRUE(live.wait_for("received", 1));
    for (int i = 0; i < 10; ++i) seized += live.pipeline().seize_all(live.main());
    live.end_and_expect_at_rest();
    EXPECT_EQ(live.ledger().received, kMessages);
    EXPECT_EQ(live.reason("failed.forced_end"), seized);
    EXPECT_EQ(live.reason("answered") + seized, kMessages);
  }
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
  options.service.cpus = {CPU_SETSIZE - 1};
  LivePipeline live(echo, options);
  EXPECT_THROW(live.pipeline().start(), std::system_error);
  const auto threads = threads_of(::getpid());
  for (const char* name : {"recv-0", "svc-0", "svc-1", "resp-0", "resp-1"})
    EXPECT_FALSE(threads.contains(name)) << name;
}

TEST(Pipeline, BlocksAreThoseOfTheLanesInOrderAndMainsLast) {
  const std::vector<RegionBlock> blocks = blocks_of(many_lanes(64));
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
  ASSERT_TRUE(live.wait_for("retired", 2));
  live.end_and_expect_at_rest();
  std::vector<std::string> lines;
  const std::uint64_t lost =
      live.pipeline().take_events([&](const std::string& lane, const Event& event) {
        lines.push_back(lane + ": " + std::string(event.text_view()));
      });
  EXPECT_EQ(lost, 0u);
  EXPECT_EQ(lines, std::vector<std::string>{"svc-0: one byte is too little"});
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
