#include "server/pipeline/lane_runtime.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace cpss {
namespace {

// The max wait for room in a process with one message: no other message waits for it, and many such
// processes may wait.
constexpr std::chrono::milliseconds kLongestAlone{10};

}  // namespace

LaneRuntime::LaneRuntime(Parts parts)
    : p_(std::move(parts)),
      resources_(p_.resources),
      context_(resources_.pool, may_block() ? 0 : 2 * batch(), resources_.keepers,
               &resources_.in.scoreboard.events(p_.number), watched_progress(),
               &resources_.in.scoreboard.troubles(p_.number)) {
  // Downstream first: each step gets the one behind it.
  if (has(StageId::response)) make_response();
  if (resources_.work_sharing() && receives_and_answers())
    sharing_.emplace(WorkSharing::Wiring{
        resources_.requests, *resources_.attendance, resources_.in.scoreboard.awake(),
        resources_.hop_time, service_cost(), response_cost(),
        static_cast<std::uint64_t>(resources_.in.options.inline_max->count()),
        // One lane more than CPUs: workers may have others than these.
        std::min(resources_.in.options.cpus, std::max(resources_.receivers - 1, 1U)),
        resources_.receivers});
  if (has(StageId::service)) make_service();
  if (plan().runs_inline(StageId::worker)) make_deferred();
  if (plan().runs(StageId::receive)) make_receive();
  if (plan().runs(StageId::worker)) make_worker();
  if (plan().runs(StageId::on_demand)) make_starter();
  if (plan().transient) return;
  place_ = make_place();
  // A real-time lane that spins would keep all other threads from running.
  const bool spins = !may_block() && !plan().real_time_priority;
  lane_.emplace(
      LaneOptions{plan().name, plan().cpus, plan().real_time_priority,
                  spins ? static_cast<std::uint64_t>(resources_.in.options.spin.count()) : 0,
                  &resources_.in.scoreboard.awake(), p_.number, watched_progress()},
      repeated_steps(), *place_);
}

LaneProgress* LaneRuntime::watched_progress() const {
  return plan().transient || may_block() ? nullptr : &resources_.in.scoreboard.progress(p_.number);
}

StatsWriter LaneRuntime::writer_of(StageId step) const {
  const auto at = std::ranges::find(plan().steps, step);
  if (at != plan().steps.end())
    return p_.writers[static_cast<std::size_t>(at - plan().steps.begin())];
  const auto inlined = std::ranges::find(plan().inline_steps, step);
  return p_.writers[plan().steps.size() +
                    static_cast<std::size_t>(inlined - plan().inline_steps.begin())];
}

InlineDispatch LaneRuntime::inline_dispatch_to(StageId step, const SlotQueue& queue,
                                               const StepCost& cost, unsigned lanes,
                                               InlineStep& next) {
  const PipelineOptions& options = resources_.in.options;
  const bool its_own = plan().runs(step) || p_.messages_go_to != nullptr;
  const auto max =
      its_own ? std::uint64_t{0} : static_cast<std::uint64_t>(options.inline_max->count());
  InlineWiring wiring{queue, lanes, cost, max, options.cpus == 1, its_own};
  if (step == StageId::service && sharing_) wiring.sharing = &*sharing_;
  return InlineDispatch(wiring, next, context_);
}

void LaneRuntime::make_response() {
  ResponseStep::Wiring wiring{resources_.in.sockets,
                              resources_.store,
                              resources_.responses,
                              response_cost(),
                              batch(),
                              resources_.responders,
                              resources_.in.options.grouped,
                              resources_.reply_address()};
  wiring.longest_wait = resources_.in.options.send_wait;
  wiring.reply_sockets = receives_and_answers() ? resources_.sockets_of_group(plan().sockets).size()
                                                : resources_.in.sockets.size();
  wiring.outlook = &resources_.send_outlook;
  wiring.keeps_unsent = receives_and_answers();
  response_.emplace(std::move(wiring), context_, writer_of(StageId::response));
}

void LaneRuntime::make_service() {
  const PipelineOptions& options = resources_.in.options;
  ServiceStep::Wiring wiring{resources_.in.service,
                             resources_.store,
                             resources_.requests,
                             resources_.responses,
                             service_cost(),
                             batch(),
                             sharing_ ? 1 : resources_.servers};
  if (sharing_) wiring.sharing = &*sharing_;
  wiring.deferred = resources_.deferred;
  if (resources_.has_workers())
    wiring.deferral.emplace(ServiceStep::Deferral{
        *resources_.worker_queue, *resources_.occupancy, options.defer_all,
        options.shed ? &resources_.in.scoreboard.busy_budget() : nullptr, resources_.longest_wait});
  wiring.keeps_deferred = plan().runs(StageId::response);
  wiring.lane_state = p_.lane_state;
  const StatsWriter stats = writer_of(StageId::service);
  if (!response_) {
    service_.emplace(wiring, context_, stats);
    return;
  }
  service_.emplace(wiring, context_, stats,
                   inline_dispatch_to(StageId::response, resources_.responses, response_cost(),
                                      resources_.responders, *response_));
}

void LaneRuntime::make_deferred() {
  deferred_.emplace(
      DeferredStep::Wiring{{resources_.in.service, resources_.store, resources_.responses},
                           *resources_.deferred,
                           *resources_.attendance,
                           resources_.in.scoreboard.awake(),
                           p_.number,
                           p_.lane_state},
      context_, writer_of(StageId::worker),
      inline_dispatch_to(StageId::response, resources_.responses, response_cost(),
                         resources_.responders, *response_));
}

void LaneRuntime::make_receive() {
  const PipelineOptions& options = resources_.in.options;
  ReceiveStep::Wiring wiring{resources_.sockets_of_group(plan().sockets),
                             resources_.store,
                             resources_.pool,
                             resources_.requests,
                             resources_.in.access_control,
                             options.batch,
                             resources_.receivers,
                             options.merged,
                             options.coalesce.count() > 0};
  if (options.shed)
    wiring.shedding.emplace(Shedding::Wiring{resources_.in.service,
                                             resources_.in.scoreboard.busy_budget(),
                                             resources_.reply_address(), &resources_.send_outlook});
  wiring.first_socket = resources_.first_socket_of_group(plan().sockets);
  wiring.stop_reading = &resources_.in.scoreboard.stop_reading();
  const StatsWriter stats = writer_of(StageId::receive);
  InlineStep* next = service_ ? &*service_ : p_.messages_go_to;
  if (p_.leader_seat != nullptr) {
    wiring.one_batch = true;
    next = &promoting_.emplace(*p_.leader_seat, *next, stats, context_);
  }
  if (next == nullptr)
    receive_.emplace(wiring, context_, stats);
  else
    receive_.emplace(wiring, context_, stats,
                     inline_dispatch_to(StageId::service, resources_.requests, service_cost(),
                                        resources_.servers, *next));
  if (p_.leader_seat != nullptr) leading_.emplace(*p_.leader_seat, *receive_);
}

void LaneRuntime::make_worker() {
  worker_.emplace(
      WorkerStep::Wiring{{resources_.in.service, resources_.store, resources_.responses},
                         *resources_.worker_queue,
                         *resources_.occupancy,
                         resources_.longest_wait,
                         p_.lane_state,
                         worker_load(),
                         p_.number - resources_.first_worker()},
      context_, writer_of(StageId::worker));
}

void LaneRuntime::make_starter() {
  starter_.emplace(
      OnDemandStarter::Wiring{resources_.in.service, resources_.store, *resources_.worker_queue,
                              resources_.responses, *resources_.occupancy, plan().cpus,
                              resources_.longest_wait, worker_load(),
                              &resources_.in.scoreboard.awake(), resources_.in.options.cpus},
      p_.places, context_, writer_of(StageId::on_demand));
}

std::unique_ptr<WaitPlace> LaneRuntime::receive_place() {
  const PipelineOptions& options = resources_.in.options;
  ReceiveWait::Wiring wiring{resources_.sockets_of_group(plan().sockets),
                             resources_.pool,
                             options.batch,
                             resources_.receivers,
                             resources_.in.scoreboard.stop_event(),
                             resources_.longest_wait,
                             options.coalesce,
                             options.exclusive_wake};
  wiring.stop_reading = &resources_.in.scoreboard.stop_reading();
  wiring.shared = resources_.in.assignment.shared_sockets;
  wiring.all_received = &all_received_.by_lane;
  if (receives_and_answers() && resources_.replies_wake_by_event)
    wiring.queues.push_back({&response_->input().consumer(), options.batch});
  if (sharing_) {
    wiring.sharing = &*sharing_;
    wiring.all_served = &all_served_.by_lane;
    wiring.queues.push_back({&service_->input().consumer(), options.batch, &*sharing_, &*sharing_});
  }
  if (deferred_) wiring.queues.push_back({&deferred_->consumer(), 1, nullptr, &*deferred_});
  return std::make_unique<ReceiveWait>(std::move(wiring), *receive_);
}

std::unique_ptr<WaitPlace> LaneRuntime::make_place() {
  const auto queue_wait = [this](auto& step) {
    return std::make_unique<QueueWait>(
        QueueWait::Wiring{step.input().consumer(), resources_.in.options.batch,
                          resources_.in.scoreboard.stop_event(), resources_.longest_wait},
        context_, step.stats());
  };
  if (worker_) return std::make_unique<WorkerWait>(*worker_);
  if (starter_) return std::make_unique<StarterWait>(*starter_);
  if (!receive_) {
    if (plan().runs(StageId::service)) return queue_wait(*service_);
    return queue_wait(*response_);
  }
  if (p_.leader_seat == nullptr) return receive_place();
  datagrams_ = receive_place();
  return std::make_unique<LeaderWait>(
      *p_.leader_seat,
      LeaderWait::Wiring{*datagrams_, *leading_, resources_.pool, p_.token_event,
                         resources_.in.scoreboard.stop_event(),
                         resources_.in.options.idle_lane_end},
      receive_->stats(), context_);
}

// Stages run inline are not polled, except for unsent replies.
std::vector<Step*> LaneRuntime::repeated_steps() {
  if (worker_) return {&*worker_};
  if (starter_) return {&*starter_};
  // What is inside comes first, and what may block last.
  if (sharing_ && deferred_) return {&*response_, &*service_, &*receive_, &*deferred_};
  if (sharing_) return {&*response_, &*service_, &*receive_};
  if (receives_and_answers())
    return {leading_ ? static_cast<Step*>(&*leading_) : &*receive_, &*response_};
  if (receive_) return {&*receive_};
  if (plan().runs(StageId::service)) return {&*service_};
  return {&*response_};
}

bool LaneRuntime::said(Saying& saying, Deadline deadline) noexcept {
  if (!saying.heard) saying.heard = saying.by_lane.take(1, 1, deadline).status == TakeStatus::taken;
  // It may never have been started: then join() returns at once.
  return saying.heard || lane_->join(deadline);
}

void LaneRuntime::serve_one(std::uint32_t slot) noexcept {
  SlotQueue::Producer(resources_.requests).put(std::span(&slot, 1));
  service_->run();
  while (DatagramSocket* full = response_->run().full) full->wait_writable(kLongestAlone);
}

}  // namespace cpss
