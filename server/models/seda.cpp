#include <utility>

#include "server/models/models.h"

namespace cpss {
namespace {

// Whether lanes of one pool may do the work of another pool: only if the scheduler treats both
// alike.
bool may_run_inline(const PipelineOptions& options, const PoolOptions& from,
                    const PoolOptions& to) {
  return options.inline_max && from.cpus == to.cpus &&
         from.real_time_priority == to.real_time_priority;
}

// A receive lane must not wait for a service: meanwhile it would keep other clients' datagrams from
// the service lanes that could answer them. So it leaves messages that would have to wait to a
// service lane (ServiceStep::run_inline).
std::vector<StageId> receive_runs_inline(const PipelineOptions& options) {
  if (!may_run_inline(options, options.receive, options.service)) return {};
  if (!may_run_inline(options, options.receive, options.response)) return {StageId::service};
  return {StageId::service, StageId::response};
}

std::vector<StageId> service_runs_inline(const PipelineOptions& options) {
  if (!may_run_inline(options, options.service, options.response)) return {};
  return {StageId::response};
}

void add_pool(Assignment& assignment, const char* kind, StageId step, const PoolOptions& pool,
              const std::vector<StageId>& inline_steps) {
  for (unsigned i = 0; i < pool.lanes; ++i)
    assignment.lanes.push_back({.name = lane_name(kind, i),
                                .steps = {step},
                                .inline_steps = inline_steps,
                                .cpus = pool.cpus,
                                .real_time_priority = pool.real_time_priority});
}

// One lane more than there are CPUs: lanes may block in messages that the service defers. Those are
// a stage of their own, which each lane runs in passing, unless there are workers.
Assignment work_sharing(const PipelineOptions& options) {
  Assignment result;
  for (unsigned i = 0; i < options.sharing_lanes; ++i) {
    LanePlan lane = whole_lane(options, "lane", i);
    if (options.worker.lanes == 0) lane.inline_steps = {StageId::worker};
    result.lanes.push_back(std::move(lane));
  }
  add_workers(result, options);
  share_out_sockets(result, options.sockets);
  result.work_sharing = true;
  return result;
}

}  // namespace

Assignment seda(const PipelineOptions& options) {
  if (options.sharing_lanes > 0) return work_sharing(options);
  Assignment result;
  add_pool(result, "recv", StageId::receive, options.receive, receive_runs_inline(options));
  add_pool(result, "svc", StageId::service, options.service, service_runs_inline(options));
  add_workers(result, options);
  add_pool(result, "resp", StageId::response, options.response, {});
  share_out_sockets(result, options.sockets);
  return result;
}

}  // namespace cpss
