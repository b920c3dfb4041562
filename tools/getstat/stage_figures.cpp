#include "tools/getstat/stage_figures.h"

#include "stats/queue_flow.h"

namespace cpss::getstat {
namespace {

std::uint64_t earlier(const Snapshot* before, const StageSnapshot& stage, const char* counter) {
  const StageSnapshot* then = before != nullptr ? before->stage(stage.name) : nullptr;
  return then != nullptr ? then->counter(counter) : 0;
}

// Whether the threads of the stage come and go: gauges count them. The first lane of such a stage
// starts the threads and processes no message.
bool is_transient(const StageSnapshot& stage) {
  return stage.name == "on_demand";
}

}  // namespace

double elapsed_ns(const Reading& reading, const Snapshot* before) {
  const std::uint64_t since = before != nullptr ? before->taken_ns : reading.snapshot->live_ns;
  const std::uint64_t until = reading.last_moment_ns();
  return since != 0 && until > since ? static_cast<double>(until - since) : 0;
}

std::vector<StageFigures> stage_figures(const Reading& reading, const Snapshot* before) {
  const double elapsed = elapsed_ns(reading, before);
  const std::vector<QueueFlow> flows = queue_flows(*reading.snapshot);
  std::vector<StageFigures> result;
  for (const StageSnapshot& stage : reading.snapshot->stages) {
    if (stage.name == kServerStage) continue;
    StageFigures figures{.stage = &stage, .queue_depth = {}, .queue_high_water = {}, .busy = {}};
    const bool transient = is_transient(stage);
    figures.threads = transient ? stage.gauge("threads_now") : stage.lanes;
    figures.threads_max = transient ? stage.gauge("threads_max") : stage.lanes;
    for (const QueueFlow& flow : flows) {
      if (flow.stage != stage.name) continue;
      figures.queue_depth = flow.put - flow.taken;
      figures.queue_high_water = flow.high_water;
    }
    const std::size_t threads = transient ? stage.lanes - 1 : stage.lanes;
    if (threads > 0) figures.busy = 0;
    if (elapsed > 0) {
      const auto since_before = [&](const char* counter) {
        return static_cast<double>(stage.counter(counter) - earlier(before, stage, counter));
      };
      if (threads > 0)
        figures.busy = since_before("busy_ns") / (static_cast<double>(threads) * elapsed);
      figures.entered_per_s = since_before("entered") / elapsed * 1e9;
    }
    result.push_back(figures);
  }
  return result;
}

}  // namespace cpss::getstat
