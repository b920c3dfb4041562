#include "server/pipeline/pipeline.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

namespace cpss {
namespace {

constexpr std::chrono::milliseconds kBetweenReliefs{50};
// Max wait for the end of killed processes, and for a fork(2) under way.
constexpr std::chrono::seconds kKilledEnd{1};
constexpr std::chrono::seconds kForkEnd{1};
// Max wait for a thread that has closed its seat: it is at its end, but may not get a CPU for that.
constexpr std::chrono::milliseconds kLastThreadEnd{10};

// The message processes share the scoreboard with their parent.
Sharing sharing_of_scoreboard(const Assignment& assignment) {
  return assignment.process_per_message ? Sharing::process_shared : Sharing::process_private;
}

}  // namespace

Pipeline::Pipeline(const PipelineOptions& options, Assignment assignment, Service& service,
                   std::vector<DatagramSocket*> sockets, const AccessControl& access_control,
                   StatsRegion& region, LaneStates lane_states)
    : options_(options),
      assignment_(std::move(assignment)),
      sockets_(std::move(sockets)),
      lane_states_(std::move(lane_states)),
      scoreboard_(lane_names(assignment_), options_.busy_rate, options_.cpus, sockets_.size(),
                  sharing_of_scoreboard(assignment_)),
      resources_({options_, assignment_, service, sockets_, access_control, scoreboard_}),
      main_(region.writer(blocks_of(assignment_, options_).size() - 1)) {
  if (assignment_.leader_followers)
    leaders_.emplace(options_, [this](std::uint32_t lane) {
      Lane& its = runtimes_[lane]->lane();
      if (!its.join(std::chrono::steady_clock::now() + kLastThreadEnd))
        throw std::system_error(EBUSY, std::generic_category(), "its last thread");
      its.start();
    });
  build(region);
}

// Builds transient lanes first, since other lanes are given them.
void Pipeline::build(const StatsRegion& region) {
  if (assignment_.process_per_message)
    processes_.emplace(resources_, message_places(region), 0,
                       writers_of(region, assignment_, 0).front());
  for (std::size_t lane = 0; lane < assignment_.lanes.size(); ++lane) {
    const LanePlan& plan = assignment_.lanes[lane];
    if (plan.transient) continue;
    LaneRuntime::Parts parts = parts_of(lane, region);
    if (plan.runs(StageId::on_demand)) parts.places = on_demand_places(region);
    if (processes_) parts.messages_go_to = &*processes_;
    if (leaders_) {
      parts.leader_seat = &leaders_->seat(static_cast<std::uint32_t>(lane));
      parts.token_event = leaders_->event(static_cast<std::uint32_t>(lane));
    }
    runtimes_.push_back(std::make_unique<LaneRuntime>(std::move(parts)));
  }
}

std::vector<OnDemandStarter::Place> Pipeline::on_demand_places(const StatsRegion& region) {
  std::vector<OnDemandStarter::Place> places;
  for (std::size_t lane = 0; lane < assignment_.lanes.size(); ++lane) {
    const LanePlan& plan = assignment_.lanes[lane];
    if (!plan.transient) continue;
    on_demand_lanes_.push_back(std::make_unique<LaneContext>(resources_.pool, 0, resources_.keepers,
                                                             &scoreboard_.events(lane)));
    places.push_back({plan.name, writers_of(region, assignment_, lane).front(),
                      *on_demand_lanes_.back(), lane_states_[lane].get()});
  }
  return places;
}

std::vector<MessageProcesses::Place> Pipeline::message_places(const StatsRegion& region) {
  std::vector<MessageProcesses::Place> places;
  for (std::size_t lane = 0; lane < assignment_.lanes.size(); ++lane) {
    if (!assignment_.lanes[lane].transient) continue;
    LaneRuntime::Parts parts = parts_of(lane, region);
    parts.batch = 1;
    LostMessages ledger(parts.writers, false);
    places.push_back({std::make_unique<LaneRuntime>(std::move(parts)), std::move(ledger)});
  }
  return places;
}  // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks): the vector has them

LaneRuntime::Parts Pipeline::parts_of(std::size_t lane, const StatsRegion& region) {
  LaneRuntime::Parts parts{resources_, assignment_.lanes[lane], lane,
                           writers_of(region, assignment_, lane)};
  parts.lane_state = lane_states_[lane].get();
  return parts;
}

Pipeline::Runtimes Pipeline::lanes_of(StageId first_step) {
  Runtimes result;
  for (const auto& runtime : runtimes_)
    if (runtime->plan().steps.front() == first_step) result.push_back(runtime.get());
  return result;
}

// Starts downstream lanes first, so that received messages find their way.
void Pipeline::start() {
  try {
    for (const StageId stage : {StageId::response, StageId::on_demand, StageId::worker,
                                StageId::service, StageId::receive}) {
      Runtimes runtimes = lanes_of(stage);
      // Other lanes are started when they are needed.
      if (leaders_ && stage == StageId::receive) runtimes.resize(options_.lanes);
      for (LaneRuntime* runtime : runtimes) runtime->lane().start();
    }
  } catch (...) {
    // The sockets still receive: a closed pool ends the receive lanes all the same.
    resources_.pool.free_slots().close();
    end([] { return false; });
    throw;
  }
}

bool Pipeline::join_all(const Runtimes& runtimes, const std::function<bool()>& give_up) {
  for (LaneRuntime* runtime : runtimes)
    while (!runtime->lane().join(std::chrono::steady_clock::now() + std::chrono::milliseconds(50)))
      if (give_up()) return false;
  return true;
}

// Lanes that also wait for workers' replies still run after it: they have received all, and go on
// until no more replies can come.
bool Pipeline::end_receiving(const std::function<bool()>& give_up) {
  scoreboard_.stop_receiving(options_.stop_reading);
  if (processes_) processes_->end_pause();
  while (leaders_ && !leaders_->start_no_more()) {
    if (give_up()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const Runtimes lanes = lanes_of(StageId::receive);
  if (!resources_.lanes_have_queues()) return join_all(lanes, give_up);
  return wait_for_all(lanes, &LaneRuntime::received_all, give_up);
}

bool Pipeline::wait_for_all(const Runtimes& lanes, bool (LaneRuntime::*said)(Deadline) noexcept,
                            const std::function<bool()>& give_up) {
  for (LaneRuntime* runtime : lanes)
    while (!(runtime->*said)(std::chrono::steady_clock::now() + std::chrono::milliseconds(50)))
      if (give_up()) return false;
  return true;
}

bool Pipeline::end(const std::function<bool()>& give_up) {
  if (!end_receiving(give_up)) return false;
  while (processes_ && processes_->running() > 0) {
    processes_->reap(Reason::failed_dead_process, main_);
    if (give_up()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  resources_.close_requests();
  if (!join_all(lanes_of(StageId::service), give_up)) return false;
  // Only now nobody defers any more.
  if (resources_.work_sharing() &&
      !wait_for_all(lanes_of(StageId::receive), &LaneRuntime::served_all, give_up))
    return false;
  resources_.close_deferred();
  if (resources_.has_workers()) {
    if (!join_all(lanes_of(StageId::worker), give_up)) return false;
    // The starter joins threads that still run.
    resources_.occupancy->close();
    if (!join_all(lanes_of(StageId::on_demand), give_up)) return false;
  }
  resources_.responses.close();
  return join_all(lanes_of(StageId::response), give_up) &&
         join_all(lanes_of(StageId::receive), give_up);
}

void Pipeline::stop_receiving() {
  resources_.pool.free_slots().close();
  if (!processes_) return;
  processes_->end_pause();
  // The lane may be inside fork(2): the process that comes out of it later would not be killed.
  const auto deadline = std::chrono::steady_clock::now() + kForkEnd;
  join_all(lanes_of(StageId::receive),
           [deadline] { return std::chrono::steady_clock::now() >= deadline; });
}

std::uint64_t Pipeline::seize_all() noexcept {
  all_taken_ = true;
  if (processes_) end_processes();
  std::uint64_t seized = take_away_held();
  for (std::uint32_t slot = 0; slot < resources_.pool.ever_used(); ++slot) {
    // A process that still lives may yet book its message.
    if (processes_ && processes_->has(slot)) continue;
    if (resources_.store.seize(slot)) ++seized;
  }
  main_.book(Reason::failed_forced_end, seized);
  main_.add(Counter::completed, seized);
  main_.add(Counter::given_back, seized);
  return seized;
}

// Killed processes end at once, unless the kernel keeps them. Dead ones book nothing any more.
void Pipeline::end_processes() noexcept {
  processes_->kill_all();
  const auto deadline = std::chrono::steady_clock::now() + kKilledEnd;
  for (;;) {
    processes_->reap(Reason::failed_forced_end, main_);
    if (processes_->running() == 0) return;
    if (std::chrono::steady_clock::now() >= deadline) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  all_taken_ = false;
}

// Takes datagrams only after the pool was closed: then no lane begins to receive, and a lane that
// has lost its datagrams is at its end.
std::uint64_t Pipeline::take_away_held() noexcept {
  std::uint64_t taken = 0;
  if (!resources_.pool.free_slots().closed()) {
    all_taken_ = false;
    return taken;
  }
  for (const auto& runtime : runtimes_) {
    const std::optional<std::uint64_t> held = runtime->take_away_held();
    taken += held.value_or(0);
    all_taken_ = all_taken_ && held.has_value();
  }
  return taken;
}

void Pipeline::tick() {
  main_.add(Counter::futex_wakes, resources_.remind());
  // Now and then main comes here every few milliseconds, and no round is that short for sure.
  if (const auto now = std::chrono::steady_clock::now(); now >= next_relief_) {
    next_relief_ = now + kBetweenReliefs;
    resources_.relieve();
  }
  if (leaders_) leaders_->relieve(main_, scoreboard_);
  if (processes_) processes_->reap(Reason::failed_dead_process, main_);
}

}  // namespace cpss
