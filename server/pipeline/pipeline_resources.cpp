#include "server/pipeline/pipeline_resources.h"

#include <algorithm>
#include <new>
#include <utility>

#include <unistd.h>

#include "server/pipeline/event_descriptor.h"

namespace cpss {
namespace {

Scope scope_of(Sharing sharing) {
  return sharing == Sharing::process_shared ? Scope::process_shared : Scope::process_private;
}

bool some_lane_receives_and_answers(const Assignment& assignment) {
  return std::ranges::any_of(assignment.lanes, [](const LanePlan& lane) {
    return lane.runs(StageId::receive) && lane.runs(StageId::response);
  });
}

}  // namespace

PipelineResources::PipelineResources(const PipelineInputs& inputs)
    : in(inputs),
      receivers(lanes_with(in.assignment, StageId::receive)),
      servers(lanes_with(in.assignment, StageId::service)),
      responders(lanes_with(in.assignment, StageId::response)),
      keepers(static_cast<unsigned>(std::ranges::count_if(
          in.assignment.lanes,
          [](const LanePlan& lane) { return !lane.transient && !lane.may_block(); }))),
      workers_(lanes_with(in.assignment, StageId::worker)),
      rounds_(receivers),
      replies_wake_by_event(workers_ > 0 && some_lane_receives_and_answers(in.assignment)),
      slots_event_(make_event()),
      replies_event_(make_event()),
      requests_event_(work_sharing() ? make_event() : -1),
      deferred_event_(work_sharing() ? make_event() : -1),
      call_event_(work_sharing() ? make_event(EFD_SEMAPHORE) : -1),
      pool_memory_(SlotPool::bytes(in.options.slots), in.options.sharing, "cpss-slot-pool"),
      request_memory_(SlotQueue::bytes(in.options.slots), in.options.sharing, "cpss-request-queue"),
      response_memory_(SlotQueue::bytes(in.options.slots), in.options.sharing,
                       "cpss-response-queue"),
      longest_wait(in.options.sharing == Sharing::process_shared ? LongestWait(kSharedWait)
                                                                 : std::nullopt),
      send_outlook(in.scoreboard.send_outlook()),
      store(in.options.slots, in.options.window_bytes, in.options.sharing),
      pool(*SlotPool::create(pool_memory_.data(), in.options.slots,
                             {scope_of(in.options.sharing), slots_event_})),
      requests(*SlotQueue::create(request_memory_.data(), in.options.slots,
                                  {scope_of(in.options.sharing), requests_event_.get()})),
      responses(*SlotQueue::create(
          response_memory_.data(), in.options.slots,
          {scope_of(in.options.sharing), replies_wake_by_event ? replies_event_ : -1})) {
  if (work_sharing()) attendance.emplace(receivers, call_event_.get());
  if (work_sharing() && workers_ == 0) {
    deferred_memory_.emplace(SlotQueue::bytes(in.options.slots), in.options.sharing,
                             "cpss-deferred-queue");
    deferred = SlotQueue::create(deferred_memory_->data(), in.options.slots,
                                 {scope_of(in.options.sharing), deferred_event_.get()});
  }
  if (workers_ == 0) return;
  const Scope scope = scope_of(in.options.sharing);
  worker_memory_.emplace(WorkerQueue::bytes() + sizeof(WorkerOccupancy), in.options.sharing,
                         "cpss-worker-queue");
  worker_queue = WorkerQueue::create(worker_memory_->data(), in.options.worker_queue, scope);
  occupancy = new (worker_memory_->data() + WorkerQueue::bytes())
      WorkerOccupancy(workers_, in.options.on_demand_threads, scope);
  if (in.options.on_demand_threads > 0 && in.options.inline_max) worker_load.emplace(workers_);
}

PipelineResources::~PipelineResources() {
  close(replies_event_);
  close(slots_event_);
}

std::uint32_t PipelineResources::remind() noexcept {
  std::uint32_t wakes = pool.free_slots().remind() + requests.remind() + responses.remind();
  if (deferred != nullptr) wakes += deferred->remind();
  if (has_workers()) wakes += worker_queue->remind() + occupancy->remind();
  return wakes;
}

void PipelineResources::relieve() noexcept {
  if (!attendance) return;
  attendance->age();
  const auto stands_still = [this](unsigned lane) {
    const LaneProgress& progress = in.scoreboard.progress(lane);
    return !progress.may_take_long() && progress.rounds() == rounds_[lane];
  };
  std::vector<unsigned> now;
  for (unsigned lane = 0; lane < receivers; ++lane) {
    if (stands_still(lane)) now.push_back(lane);
    rounds_[lane] = in.scoreboard.progress(lane).rounds();
  }
  const bool all = !now.empty() && now.size() >= attendance->attending();
  // The lane that was called receives meanwhile, and attends: those that were held up still may be.
  if (all)
    held_up_ = now;
  else if (!std::ranges::includes(now, held_up_))
    held_up_.clear();
  attendance->set_held_up(!held_up_.empty());
  if (all) attendance->call();
  // One that came out just before could not take it back.
  if (!std::ranges::all_of(held_up_, stands_still)) attendance->set_held_up(false);
}

// Lanes may all block from now on: there are no more datagrams that one of them must look after.
void PipelineResources::close_requests() noexcept {
  if (attendance) attendance->end();
  requests.close();
}

void PipelineResources::close_deferred() noexcept {
  if (deferred != nullptr) deferred->close();
  if (has_workers()) worker_queue->close();
}

std::size_t PipelineResources::first_worker() const noexcept {
  const auto& lanes = in.assignment.lanes;
  return static_cast<std::size_t>(
      std::ranges::find_if(lanes, [](const LanePlan& lane) { return lane.runs(StageId::worker); }) -
      lanes.begin());
}

std::size_t PipelineResources::first_socket_of_group(unsigned group) const noexcept {
  return group * (in.sockets.size() / in.assignment.socket_groups);
}

std::vector<DatagramSocket*> PipelineResources::sockets_of_group(unsigned group) const {
  const auto first = in.sockets.begin() + static_cast<std::ptrdiff_t>(first_socket_of_group(group));
  return {first,
          first + static_cast<std::ptrdiff_t>(in.sockets.size() / in.assignment.socket_groups)};
}

}  // namespace cpss
