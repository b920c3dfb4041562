#include "server/daemon/description.h"

#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/choices.h"
#include "config/server_models.h"

namespace cpss {
namespace {

// For instance `2 lanes`, `1 lane`.
std::string counted(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

// For instance `model symped: 2 lanes that run all steps`, `model seda: 1 receive, 1 service, 1
// response lane`.
std::string model_text(const PipelineOptions& options, const Assignment& assignment) {
  std::string workers;
  if (options.worker.lanes > 0)
    workers = fmt::format("{} worker, {} on-demand at most, ", options.worker.lanes,
                          options.on_demand_threads);
  const std::string lanes = [&] {
    if (assignment.process_per_message)
      return fmt::format("a process for each message, {} at most", options.slots);
    if (assignment.separate_processes) return fmt::format("processes: {}", assignment.lanes.size());
    if (assignment.work_sharing)
      return workers + fmt::format("{} lanes that share all work", options.sharing_lanes);
    if (traits_of(options.model).staged)
      return fmt::format("{} receive, {} service, {}{}", options.receive.lanes,
                         options.service.lanes, workers,
                         counted(options.response.lanes, "response lane"));
    if (assignment.leader_followers)
      return fmt::format("{} lanes of which one at a time is the leader, {} at most", options.lanes,
                         options.max_lanes);
    const unsigned loops = lanes_with(assignment, StageId::receive);
    return workers + counted(loops, "lane") +
           (loops == 1 ? " that runs all steps" : " that run all steps");
  }();
  return fmt::format("model {}: {}", name_of(options.model), lanes);
}

}  // namespace

RegionOptions region_options(const Settings& settings, const PipelineOptions& pipeline,
                             const Assignment& assignment, std::vector<std::string> listen) {
  RegionOptions options;
  options.path = settings.stats_file.value_or("");
  options.model = name_of(settings.model);
  options.service = settings.service;
  options.listen = std::move(listen);
  options.blocks = blocks_of(assignment, pipeline);
  options.max_inside = max_inside(assignment, pipeline);
  options.slots = pipeline.slots;
  options.histograms = settings.histograms;
  options.kernel_dropped_exact = !pipeline.merged;
  return options;
}

std::string ready_line(const Settings& settings, const PipelineOptions& pipeline,
                       const Assignment& assignment, const std::vector<std::string>& listen,
                       const std::string& region_path) {
  return fmt::format("ready: service {} on {}; {}; {} slots of {} bytes; counters in {}",
                     settings.service, fmt::join(listen, ", "), model_text(pipeline, assignment),
                     pipeline.slots, settings.message_size, region_path);
}

}  // namespace cpss
