#include "tools/getstat/stage_figures.h"

namespace cpss::getstat {
namespace {

std::uint64_t earlier(const Snapshot* before, const StageSnapshot& stage, const char* counter) {
  const StageSnapshot* then = before != nullptr ? before->stage(stage.name) : nullptr;
  return then != nullptr ? then->counter(counter) : 0;
}

// From the server being ready, or from `before`, until the values end. 0 where that is not known.
double elapsed_ns(const Reading& reading, const Snapshot* before) {
  const std::uint64_t since = before != nullptr ? before->taken_ns : reading.snapshot->live_ns;
  const std::uint64_t until = reading.last_moment_ns();
  return since != 0 && until > since ? static_cast<double>(until - since) : 0;
}

}  // namespace

std::vector<StageFigures> stage_figures(const Reading& reading, const Snapshot* before) {
  const double elapsed = elapsed_ns(reading, before);
  std::vector<StageFigures> result;
  for (const StageSnapshot& stage : reading.snapshot->stages) {
    if (stage.name == kServerStage) continue;
    StageFigures figures{.stage = &stage, .queue_depth = {}, .queue_high_water = {}};
    if (!result.empty()) {
      const StageSnapshot& feeder = *result.back().stage;
      figures.queue_depth = feeder.counter("left") - stage.counter("entered");
      figures.queue_high_water = feeder.gauge("queue_high_water");
    }
    if (elapsed > 0) {
      const auto since_before = [&](const char* counter) {
        return static_cast<double>(stage.counter(counter) - earlier(before, stage, counter));
      };
      figures.busy = since_before("busy_ns") / (static_cast<double>(stage.lanes) * elapsed);
      figures.entered_per_s = since_before("entered") / elapsed * 1e9;
    }
    result.push_back(figures);
  }
  return result;
}

}  // namespace cpss::getstat
