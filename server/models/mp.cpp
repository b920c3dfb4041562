#include "server/models/models.h"

namespace cpss {
namespace {

Assignment prefork(const PipelineOptions& options) {
  Assignment result;
  for (unsigned i = 0; i < options.lanes; ++i)
    result.lanes.push_back(whole_lane(options, "proc", i));
  share_out_sockets(result, options.sockets);
  result.separate_processes = true;
  return result;
}

// The receive lane is a thread of the parent.
Assignment fork_for_each(const PipelineOptions& options) {
  Assignment result;
  result.lanes.push_back({.name = lane_name("recv", 0),
                          .steps = {StageId::receive},
                          .cpus = options.receive.cpus,
                          .real_time_priority = options.receive.real_time_priority});
  for (unsigned i = 0; i < kForksPerLane * options.lanes; ++i)
    result.lanes.push_back({.name = lane_name("proc", i),
                            .steps = {StageId::service, StageId::response},
                            .cpus = options.receive.cpus,
                            .transient = true});
  result.process_per_message = true;
  return result;
}

}  // namespace

Assignment mp(const PipelineOptions& options) {
  return options.process_use == ProcessUse::prefork ? prefork(options) : fork_for_each(options);
}

}  // namespace cpss
