// A lane of the server with all its parts: its steps, its wait place and what they share, built as
// its plan says and wired to the resources.
//
// Made and destroyed by the main thread; the lane runs in between. Stays where it is made: its
// parts refer to each other.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "queue/semaphore.h"
#include "server/pipeline/assignment.h"
#include "server/pipeline/pipeline_resources.h"
#include "stages/lane/lane.h"
#include "stages/lane/lane_context.h"
#include "stages/lane/queue_wait.h"
#include "stages/message/work_sharing.h"
#include "stages/receive/leader.h"
#include "stages/receive/receive.h"
#include "stages/receive/receive_wait.h"
#include "stages/response/response.h"
#include "stages/service/deferred.h"
#include "stages/service/on_demand.h"
#include "stages/service/service.h"
#include "stages/service/worker.h"
#include "stats/writer.h"

namespace cpss {

class LaneRuntime {
 public:
  struct Parts {
    PipelineResources& resources;
    const LanePlan& plan;
    std::size_t number;                               // of the lane, on the scoreboard
    std::vector<StatsWriter> writers;                 // of its blocks, in the plan's order
    std::vector<OnDemandStarter::Place> places = {};  // of the threads that it starts
    InlineStep* messages_go_to = nullptr;     // from a lane that receives; null: to its own steps
    std::uint32_t batch = 0;                  // max messages at a time; 0: as the options say
    const LeaderSeat* leader_seat = nullptr;  // of a lane that may be the leader
    int token_event = -1;                     // with it
    LaneState* lane_state = nullptr;          // the service's own, for this lane
  };

  // Throws std::system_error.
  explicit LaneRuntime(Parts parts);
  LaneRuntime(const LaneRuntime&) = delete;
  LaneRuntime& operator=(const LaneRuntime&) = delete;

  const LanePlan& plan() const noexcept { return p_.plan; }
  Lane& lane() noexcept { return *lane_; }
  // Waits until the lane will receive no more. False: it still may, at the deadline.
  bool received_all(Deadline deadline) noexcept { return said(all_received_, deadline); }
  // The same, until the lane will give no request to the service; for a lane that shares its work.
  bool served_all(Deadline deadline) noexcept { return said(all_served_, deadline); }

  EventRing& events() noexcept { return context_.events; }

  // At a forced end, after the pool was closed. Returns how many datagrams without a slot it has
  // taken away from the lane, for good: 0 if the lane does not receive. None: the lane has some in
  // hand, for a moment.
  std::optional<std::uint64_t> take_away_held() noexcept {
    return receive_ ? receive_->take_away_held() : 0;
  }

  // Runs the steps for one message, in a process that serves no other; for a lane that does not
  // receive. The message's header says when it was handed to the process.
  void serve_one(std::uint32_t slot) noexcept;

 private:
  StatsWriter writer_of(StageId step) const;
  // How the lane gets from one of its steps to the next.
  InlineDispatch inline_dispatch_to(StageId step, const SlotQueue& queue, const StepCost& cost,
                                    unsigned lanes, InlineStep& next);
  void make_response();
  void make_service();
  void make_receive();
  void make_deferred();
  void make_worker();
  void make_starter();
  std::unique_ptr<WaitPlace> receive_place();
  std::unique_ptr<WaitPlace> make_place();
  std::vector<Step*> repeated_steps();
  // Whether the lane has blocks for the step, as its own or to run it inline.
  bool has(StageId step) const { return plan().runs(step) || plan().runs_inline(step); }
  // Null: not watched. A service may take any length of time for a deferred message, and a thread
  // or process that runs for one message holds up no other.
  LaneProgress* watched_progress() const;
  std::uint32_t batch() const { return p_.batch != 0 ? p_.batch : resources_.in.options.batch; }
  // Shared by the lanes that dispatch inline. A lane that runs all steps never asks for a cost,
  // since it always dispatches inline: it notes costs in memory of its own, which no other lane
  // writes.
  StepCost& service_cost() {
    return receives_and_answers() ? own_costs_[0] : resources_.service_cost;
  }
  StepCost& response_cost() {
    return receives_and_answers() ? own_costs_[1] : resources_.response_cost;
  }
  // A lane that may block with a message keeps no free slots from others, and its waits are long.
  bool may_block() const { return plan().may_block(); }
  WorkerLoad* worker_load() const {
    return resources_.worker_load ? &*resources_.worker_load : nullptr;
  }
  bool receives_and_answers() const {
    return plan().runs(StageId::receive) && plan().runs(StageId::response);
  }

  Parts p_;
  PipelineResources& resources_;
  LaneContext context_;
  std::array<StepCost, 2> own_costs_;  // of service and response
  // What the lane says once, and whether main has heard it.
  struct Saying {
    Semaphore by_lane = Semaphore();
    bool heard = false;
  };
  bool said(Saying& saying, Deadline deadline) noexcept;

  Saying all_received_;
  Saying all_served_;
  // The steps that the lane has.
  std::optional<ResponseStep> response_;
  std::optional<WorkSharing> sharing_;
  std::optional<ServiceStep> service_;
  std::optional<DeferredStep> deferred_;
  std::optional<PromotingStep> promoting_;
  std::optional<ReceiveStep> receive_;
  std::optional<LeaderStep> leading_;
  std::optional<WorkerStep> worker_;
  std::optional<OnDemandStarter> starter_;
  std::unique_ptr<WaitPlace> datagrams_;  // where place_ waits as the leader, if it is a LeaderWait
  std::unique_ptr<WaitPlace> place_;      // none: no lane, but a place for one message at a time
  std::optional<Lane> lane_;
};

}  // namespace cpss
