// Stage on_demand: one more thread for a deferred message for which no worker is free.
//
// The starter is a lane. When it is called (queue/worker_occupancy.h) it starts threads, as long as
// they are wanted, a message waits, and a thread would help: a worker is blocked, or a CPU is free
// (worker_load.h). If it would not help, the starter is deaf to calls for a millisecond, and then
// looks again. With CPSS_DISPATCH=queued it does not ask whether a thread would help.
//
// Each thread takes the oldest message, processes it and ends; the starter joins threads that have
// ended. Starting a thread allocates: this is the only place that allocates for a message. Starting
// takes as long as several messages, so no service lane waits for it.
//
// The starter claims the message before it starts the thread, so that the thread finds one. If no
// thread can be started, the starter gives the claim back, and a worker takes the message; at the
// end, when the workers may have gone, the starter processes it itself. It tries to start a thread
// again after a pause (backoff.h), called or not.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "queue/worker_occupancy.h"
#include "queue/worker_queue.h"
#include "services/service.h"
#include "stages/lane/backoff.h"
#include "stages/lane/lane.h"
#include "stages/lane/lane_context.h"
#include "stages/lane/spin.h"
#include "stages/lane/step.h"
#include "stages/lane/wait.h"
#include "stages/service/deferred_work.h"
#include "stages/service/worker_load.h"
#include "stats/writer.h"

namespace cpss {

class OnDemandStarter final : public Step {
 public:
  struct Wiring {
    Service& service;
    SlotStore& store;
    WorkerQueue& queue;
    SlotQueue& responses;
    WorkerOccupancy& occupancy;
    std::vector<unsigned> cpus;  // of the threads; empty: all
    LongestWait longest = {};    // of one wait for a call
    // Whether a thread would help; without `load` it is not asked. `awake`: the server's lanes,
    // this one included; `at_once`: how many of them the CPUs can run at once.
    WorkerLoad* load = nullptr;
    const AwakeLanes* awake = nullptr;
    unsigned at_once = 1;
  };
  // A place for one thread at a time. Only that thread writes its counters and uses its context.
  struct Place {
    std::string name;  // of the thread
    StatsWriter stats;
    LaneContext& lane;
    // The threads of the place use it one after the other; null: the service needs none.
    LaneState* lane_state = nullptr;
  };

  OnDemandStarter(Wiring wiring, const std::vector<Place>& places, LaneContext& lane,
                  StatsWriter stats);
  ~OnDemandStarter() override;

  // Joins threads that have ended and starts those that are wanted. `moved`: how many it started.
  RunResult run() noexcept override;
  // Waits for a call. At the end, after the workers have ended: waits for the threads that still
  // run, processes the messages that remain in the queue and returns false.
  bool wait() noexcept;

 private:
  class Thread;

  bool start_one() noexcept;
  bool wanted() const noexcept;  // whether one more thread is wanted
  bool helps() const noexcept;   // whether it would help
  bool pausing() const noexcept;
  void join_ended() noexcept;
  void show_threads() noexcept;

  Wiring w_;
  LaneContext& lane_;
  StatsWriter stats_;
  std::vector<std::unique_ptr<Thread>> threads_;  // one for each place
  std::uint64_t running_ = 0;                     // started and not joined
  Backoff failures_;                              // failed starts
  bool holds_back_ = false;                       // a thread is wanted, but would not help
};

// The wait place of the starter, where it waits for a call.
class StarterWait final : public WaitPlace {
 public:
  explicit StarterWait(OnDemandStarter& starter) noexcept : starter_(starter) {}
  bool wait(const RunResult&) noexcept override { return starter_.wait(); }

 private:
  OnDemandStarter& starter_;
};

}  // namespace cpss
