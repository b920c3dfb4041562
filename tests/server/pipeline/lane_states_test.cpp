// The states that a service keeps for lanes: which lanes get one, and that each has its own.
#include "server/pipeline/lane_states.h"

#include <atomic>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/models/models.h"
#include "tests/server/live_pipeline.h"

namespace cpss {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Counts calls without a state, or with one that another thread is using.
class StatefulEcho final : public Service {
 public:
  struct State final : LaneState {
    std::atomic<bool> used{false};
  };
  explicit StatefulEcho(bool defers = false) : defers_(defers) {}

  std::unique_ptr<LaneState> make_lane_state() const override { return std::make_unique<State>(); }
  void process(std::span<Message> batch, LaneState* state) override {
    use(state);
    for (Message& message : batch) {
      if (defers_)
        message.defer();
      else
        message.reply_in_place(message.request().size());
    }
  }
  void process_deferred(Message& message, LaneState* state) override {
    use(state);
    message.reply_in_place(message.request().size());
  }
  unsigned faults() const { return faults_; }

 private:
  void use(LaneState* state) {
    if (state == nullptr || static_cast<State*>(state)->used.exchange(true)) {
      ++faults_;
      return;
    }
    std::this_thread::yield();
    static_cast<State*>(state)->used = false;
  }

  const bool defers_;
  std::atomic<unsigned> faults_{0};
};

PipelineOptions two_lanes(ServerModel model) {
  PipelineOptions options = test::small_pipeline();
  options.model = model;
  options.lanes = 2;
  return options;
}

PipelineOptions seda_with_workers() {
  PipelineOptions options = two_lanes(ServerModel::seda);
  options.worker.lanes = 2;
  options.worker_queue = options.slots;
  options.on_demand_threads = 1;
  return options;
}

PipelineOptions amped() {
  PipelineOptions options = two_lanes(ServerModel::amped);
  options.worker.lanes = 1;
  options.worker_queue = options.slots;
  return options;
}

std::set<std::string> lanes_with_state(const PipelineOptions& options) {
  const Assignment assignment = assignment_of(options);
  const LaneStates states = make_lane_states(assignment, StatefulEcho());
  EXPECT_EQ(states.size(), assignment.lanes.size());
  std::set<std::string> names;
  for (std::size_t lane = 0; lane < states.size(); ++lane)
    if (states[lane]) names.insert(assignment.lanes[lane].name);
  return names;
}

TEST(LaneStates, AreOfThoseThatRunTheService) {
  EXPECT_THAT(lanes_with_state(two_lanes(ServerModel::sped)), ElementsAre("lane-0"));
  EXPECT_THAT(lanes_with_state(two_lanes(ServerModel::symped)), ElementsAre("lane-0", "lane-1"));
  PipelineOptions seda = seda_with_workers();
  seda.inline_max.reset();
  EXPECT_THAT(lanes_with_state(seda), ElementsAre("demand-0", "svc-0", "work-0", "work-1"));
  seda.inline_max = std::chrono::microseconds(10);
  EXPECT_THAT(lanes_with_state(seda),
              ElementsAre("demand-0", "recv-0", "svc-0", "work-0", "work-1"));
}

TEST(LaneStates, ProcessesMakeTheirOwn) {
  PipelineOptions options = two_lanes(ServerModel::mp);
  options.process_use = ProcessUse::prefork;
  EXPECT_THAT(lanes_with_state(options), IsEmpty());
  // Processes for one message each are copies of the process that forks them.
  options.process_use = ProcessUse::fork;
  options.lanes = 1;
  EXPECT_EQ(lanes_with_state(options).size(), kForksPerLane);
}

TEST(LaneStates, EachLaneHasItsOwn) {
  PipelineOptions leader_followers = two_lanes(ServerModel::symped);
  leader_followers.sockets = SocketSharing::handoff;
  leader_followers.max_lanes = 4;
  for (const PipelineOptions& options : {seda_with_workers(), two_lanes(ServerModel::sped),
                                         two_lanes(ServerModel::symped), leader_followers, amped()})
    for (const bool defers : {false, true}) {
      SCOPED_TRACE(static_cast<int>(options.model));
      StatefulEcho service(defers);
      test::LivePipeline live(service, options);
      live.pipeline().start();
      test::Client client;
      EXPECT_EQ(client.ask(200, {live.address()}), 200u);
      live.end_and_expect_at_rest();
      EXPECT_EQ(service.faults(), 0u);
    }
}

TEST(LaneStates, EachProcessHasItsOwn) {
  PipelineOptions options = two_lanes(ServerModel::mp);
  options.process_use = ProcessUse::prefork;
  class Strict final : public Service {
   public:
    std::unique_ptr<LaneState> make_lane_state() const override {
      return std::make_unique<LaneState>();
    }
    void process(std::span<Message> batch, LaneState* state) override {
      for (Message& message : batch)
        if (state != nullptr) message.reply_in_place(message.request().size());
    }
  } service;
  test::LiveProcesses live(service, options);
  live.group().start();
  test::Client client;
  EXPECT_EQ(client.ask(50, {live.address()}), 50u);
  live.end_and_expect_at_rest();
}

}  // namespace
}  // namespace cpss
