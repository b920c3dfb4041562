#include "server/pipeline/pipeline_resources.h"

#include <algorithm>
#include <new>

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
      replies_wake_by_event(workers_ > 0 && some_lane_receives_and_answers(in.assignment)),
      slots_event_(make_event()),
      replies_event_(make_event()),
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
                                  {scope_of(in.options.sharing), -1})),
      responses(*SlotQueue::create(
          response_memory_.data(), in.options.slots,
          {scope_of(in.options.sharing), replies_wake_by_event ? replies_event_ : -1})) {
  if (workers_ == 0) return;
  const Scope scope = scope_of(in.options.sharing);
  worker_memory_.emplace(WorkerQueue::bytes() + sizeof(WorkerOccupancy), in.options.sharing,
                         "cpss-worker-queue");
  worker_queue = WorkerQueue::create(worker_memory_->data(), in.options.worker_queue, scope);
  occupancy = new (worker_memory_->data() + WorkerQueue::bytes())
      WorkerOccupancy(workers_, in.options.on_demand_threads, scope);
}

PipelineResources::~PipelineResources() {
  close(replies_event_);
  close(slots_event_);
}

std::uint32_t PipelineResources::remind() noexcept {
  std::uint32_t wakes = pool.free_slots().remind() + requests.remind() + responses.remind();
  if (has_workers()) wakes += worker_queue->remind() + occupancy->remind();
  return wakes;
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
