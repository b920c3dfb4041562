#include "server/daemon/memory_need.h"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "queue/slot_pool.h"
#include "queue/slot_queue.h"
#include "queue/worker_queue.h"
#include "stages/lane/stack.h"
#include "stages/message/slot_store.h"
#include "stages/receive/receive.h"
#include "stats/format_count.h"
#include "stats/region_description.h"

namespace cpss {
namespace {

// Memory of a forked process, beside what is counted for its slots and its lane: pages that it
// writes to and page tables. Measured: 0.2 MiB.
constexpr std::uint64_t kProcessBytes = std::uint64_t{1} << 19;

// Bytes that PipelineResources makes for so many slots.
std::uint64_t resources_bytes(const PipelineOptions& options, std::uint32_t slots) {
  std::uint64_t bytes = SlotStore::bytes(slots, options.window_bytes) + SlotPool::bytes(slots) +
                        2 * SlotQueue::bytes(slots);
  if (options.worker.lanes > 0)
    bytes += WorkerQueue::bytes();
  else if (options.sharing_lanes > 0)
    bytes += SlotQueue::bytes(slots);
  return bytes;
}

std::uint64_t lane_bytes(const LanePlan& lane, const PipelineOptions& options) {
  std::uint64_t bytes = kLaneStackBytes;
  if (lane.runs(StageId::receive))
    bytes += ReceiveStep::bytes(options.window_bytes, options.batch, options.merged, options.shed);
  return bytes;
}

}  // namespace

void add_memory_of(const PipelineOptions& options, const Assignment& assignment, MemoryNeed& need) {
  const auto lanes = static_cast<std::uint32_t>(assignment.lanes.size());
  if (assignment.separate_processes)
    // Each process has its share.
    need.slots = lanes * resources_bytes(options, std::max(options.slots / lanes, 1U));
  else
    need.slots = resources_bytes(options, options.slots);
  for (const LanePlan& lane : assignment.lanes) {
    need.lanes += lane_bytes(lane, options);
    const bool is_process =
        assignment.separate_processes || (assignment.process_per_message && lane.transient);
    if (is_process) need.lanes += kProcessBytes;
  }
}

std::optional<std::string> memory_problem(const MemoryNeed& need, const PipelineOptions& options,
                                          const Machine& machine) {
  if (machine.memory_bytes == 0 || need.total() <= machine.memory_bytes) return std::nullopt;
  return fmt::format(
      "the server may come to use {} of memory, and {} {}: {} for {} slots of {} bytes and their "
      "queues, {} for lanes, {} for socket buffers, {} for data, {} for counters",
      format_bytes(need.total()), machine.memory_of, format_bytes(machine.memory_bytes),
      format_bytes(need.slots), options.slots, options.window_bytes, format_bytes(need.lanes),
      format_bytes(need.sockets), format_bytes(need.data), format_bytes(need.region));
}

MemoryNeed known_need(const RegionOptions& region, const std::string& proc) {
  return {.data = memory_in_use(proc), .region = RegionPlan(region).file_bytes};
}

std::optional<std::uint64_t> check_memory(const Settings& settings, const PipelineOptions& pipeline,
                                          const Assignment& assignment, const Machine& machine,
                                          MemoryNeed known,
                                          const std::function<void(const std::string&)>& warn) {
  add_memory_of(pipeline, assignment, known);
  const auto problem = memory_problem(known, pipeline, machine);
  if (!problem && machine.memory_bytes == 0) return std::nullopt;
  if (!problem) return machine.memory_bytes - known.total();
  if (settings.memory_check == MemoryCheck::warn) {
    warn(*problem);
    return std::nullopt;
  }
  throw std::runtime_error(*problem +
                           ": lower CPSS_QSLOTS or CPSS_MSGSIZE, load fewer numbers, give it more, "
                           "or set CPSS_MEMORY_CHECK=warn");
}

}  // namespace cpss
