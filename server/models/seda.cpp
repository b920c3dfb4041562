#include "server/models/models.h"

namespace cpss {
namespace {

// Whether lanes of one pool may do the work of another's: only where the scheduler would treat it
// alike.
bool may_help(const PipelineOptions& options, const PoolOptions& from, const PoolOptions& to) {
  return options.help_most && from.cpus == to.cpus &&
         from.real_time_priority == to.real_time_priority;
}

// A receive lane must not wait for a service, or it would keep what others have sent from those
// that could answer it: what would have to wait is left to a service lane (ServiceStep::help).
std::vector<StageId> receive_helps(const PipelineOptions& options) {
  if (!may_help(options, options.receive, options.service)) return {};
  if (!may_help(options, options.receive, options.response)) return {StageId::service};
  return {StageId::service, StageId::response};
}

std::vector<StageId> service_helps(const PipelineOptions& options) {
  if (!may_help(options, options.service, options.response)) return {};
  return {StageId::response};
}

void add_pool(Assignment& assignment, const char* kind, StageId step, const PoolOptions& pool,
              const std::vector<StageId>& helps) {
  for (unsigned i = 0; i < pool.lanes; ++i)
    assignment.lanes.push_back({.name = lane_name(kind, i),
                                .steps = {step},
                                .helps = helps,
                                .cpus = pool.cpus,
                                .real_time_priority = pool.real_time_priority});
}

}  // namespace

Assignment seda(const PipelineOptions& options) {
  Assignment result;
  add_pool(result, "recv", StageId::receive, options.receive, receive_helps(options));
  add_pool(result, "svc", StageId::service, options.service, service_helps(options));
  add_workers(result, options);
  add_pool(result, "resp", StageId::response, options.response, {});
  share_out_sockets(result, options.sockets);
  return result;
}

}  // namespace cpss
