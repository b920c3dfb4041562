#include "tools/getstat/table.h"

#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "stats/format_count.h"
#include "stats/ledger.h"
#include "tools/getstat/grid.h"
#include "tools/getstat/lane_table.h"
#include "tools/getstat/stage_figures.h"
#include "tools/getstat/units.h"

namespace cpss::getstat {
namespace {

// A line for each trouble.
std::string format_troubles(const Reading& reading) {
  std::string text;
  for (const TroubleSnapshot& trouble : reading.snapshot->troubles)
    text +=
        fmt::format("DEGRADED for {}: {}{} ({} {})\n",
                    format_duration(static_cast<double>(reading.since_ns(trouble.since_ns)) / 1e9),
                    trouble.help, trouble.reason.empty() ? "" : ": " + trouble.reason,
                    format_count(trouble.lanes), trouble.lanes == 1 ? "lane" : "lanes");
  return text;
}

std::string remark(const Reading& reading) {
  const Snapshot& snapshot = *reading.snapshot;
  const std::string silent = format_duration(static_cast<double>(reading.heartbeat_age_ns()) / 1e9);
  switch (reading.state) {
    case RegionState::stale:
      return fmt::format(
          "STALE: process {} is gone without a clean end, its last sign of life was {} ago; these "
          "are its last values\n",
          snapshot.facts.pid, silent);
    case RegionState::hung:
      return fmt::format(
          "HUNG: process {} is there, but gave no sign of life for {}: its main thread hangs, or "
          "it "
          "is stopped (by a signal, a debugger, a freezer)\n",
          snapshot.facts.pid, silent);
    case RegionState::stopped:
      return "the server ended cleanly; these are its final values\n";
    case RegionState::starting:
      return "the server is not ready to receive yet\n";
    default:
      if (!reading.no_sign_of_life()) return reading.degraded() ? format_troubles(reading) : "";
      return fmt::format("NO SIGN OF LIFE for {}: the main thread hangs or is stopped\n", silent);
  }
}

std::string indented(const std::string& lines) {
  std::string text;
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) text += fmt::format("        {}\n", line);
  return text;
}

// What the service answers from; empty if it has no data.
std::string format_data(const Reading& reading) {
  const std::optional<DataState>& data = reading.snapshot->data;
  if (!data) return "";
  const auto ago = [&reading](std::uint64_t moment_ns) {
    return format_duration(static_cast<double>(reading.since_ns(moment_ns)) / 1e9);
  };
  std::string text = fmt::format(
      "data: generation {}, {} rows, {} values, {}, serial {}, from {}\n"
      "      loaded in {}, {} ago\n",
      data->generation, format_count(data->rows), format_count(data->values),
      format_bytes(data->bytes), data->serial, data->source, format_time(data->load_ns),
      ago(data->loaded_ns));
  if (!data->keeper.empty())
    text += fmt::format("      lane {} still reads earlier ones ({} older kept)\n", data->keeper,
                        data->older);
  if (data->failures > 0)
    text += fmt::format("      {} failed {}, the last {} ago:\n{}", format_count(data->failures),
                        data->failures == 1 ? "reload" : "reloads", ago(data->failed_ns),
                        indented(data->error));
  return text;
}

std::string count_or_dash(const std::optional<std::uint64_t>& value) {
  return value ? format_count(*value) : "-";
}

std::string time_or_dash(const HistogramSnapshot& histogram, double share) {
  return histogram.count() == 0 ? "-" : format_time(histogram.percentile(share));
}

// "2", or "2 (max 8)" if threads come and go.
std::string threads_text(const StageFigures& figures) {
  const std::string now = format_count(figures.threads);
  if (figures.threads_max == figures.threads) return now;
  return fmt::format("{} (max {})", now, format_count(figures.threads_max));
}

std::string format_stages(const std::vector<StageFigures>& stages, bool rates) {
  std::vector<std::string> header = {"stage",     "threads", "entered",    "forwarded",
                                     "completed", "queued",  "queued max", "busy"};
  if (rates) header.emplace_back("entered/s");
  Grid grid(header);
  for (const StageFigures& figures : stages) {
    const StageSnapshot& stage = *figures.stage;
    std::vector<std::string> row = {
        stage.name,
        threads_text(figures),
        format_count(stage.counter("entered")),
        format_count(stage.counter("forwarded")),
        format_count(stage.counter("completed")),
        count_or_dash(figures.queue_depth),
        count_or_dash(figures.queue_high_water),
        stage.essential_only || !figures.busy ? "-" : format_share(*figures.busy)};
    if (rates) row.push_back(format_rate(figures.entered_per_s));
    grid.add(row);
  }
  return grid.to_string();
}

std::string format_times(const std::vector<StageFigures>& stages) {
  Grid grid({"times", "wait p50", "wait p99", "wait max", "step p50", "step p99", "cost p50",
             "batch p50", "batch max"});
  for (const StageFigures& figures : stages) {
    const StageSnapshot& stage = *figures.stage;
    const HistogramSnapshot& wait = stage.histogram("wait_ns");
    const HistogramSnapshot& step = stage.histogram("service_ns");
    const HistogramSnapshot& batch = stage.histogram("batch");
    const bool batches = batch.count() != 0;
    grid.add({stage.name, time_or_dash(wait, 0.5), time_or_dash(wait, 0.99), time_or_dash(wait, 1),
              time_or_dash(step, 0.5), time_or_dash(step, 0.99),
              time_or_dash(stage.histogram("cost_ns"), 0.5),
              batches ? format_count(batch.percentile(0.5)) : "-",
              batches ? format_count(batch.max) : "-"});
  }
  return grid.to_string() +
         "(of one message: wait: in the queue before the stage; step: its batch in the stage; "
         "cost: step time\n"
         " shared by the batch; batch: messages. Up to 3.2 % above the true value)\n";
}

std::string format_waits(const std::vector<StageFigures>& stages) {
  Grid grid({"calls and waits", "syscalls", "time in them", "semaphore waits", "time in them",
             "wake-ups", "waited for slots"});
  for (const StageFigures& figures : stages) {
    const StageSnapshot& stage = *figures.stage;
    const auto count = [&stage](const char* name) {
      return stage.essential_only ? "-" : format_count(stage.counter(name));
    };
    const auto time = [&stage](const char* name) {
      return stage.essential_only ? "-" : format_time(stage.counter(name));
    };
    grid.add({stage.name, count("syscalls"), time("syscall_ns"), count("sem_waits"),
              time("sem_wait_ns"), count("futex_wakes"), time("slot_wait_ns")});
  }
  return grid.to_string();
}

// A row for each count that is not 0, with its explanation behind the aligned columns; empty if
// there is none.
class ExplainedCounts {
 public:
  ExplainedCounts(std::string subject, std::string unit)
      : grid_({std::move(subject), std::move(unit)}) {}
  void add(const std::string& name, std::uint64_t count, const std::string& help) {
    if (count == 0) return;
    grid_.add({"  " + name, format_count(count)});
    helps_.push_back(help);
  }
  std::string to_string() const {
    if (helps_.empty()) return "";
    std::string text;
    std::istringstream lines(grid_.to_string());
    std::string line;
    std::getline(lines, line);
    text += line + '\n';
    for (const std::string& help : helps_) {
      std::getline(lines, line);
      text += fmt::format("{}  {}\n", line, help);
    }
    return text;
  }

 private:
  Grid grid_;
  std::vector<std::string> helps_;
};

std::string format_reasons(const Snapshot& snapshot) {
  ExplainedCounts counts("reasons", "messages");
  for (const ReasonCount& reason : snapshot.reasons)
    counts.add(reason.full_name(), reason.count, reason.help);
  return counts.to_string();
}

// The counters that the region has with the unit `errors`.
std::string format_errors(const Snapshot& snapshot) {
  ExplainedCounts counts("errors", "times");
  for (const MetricFacts& metric : snapshot.facts.metrics)
    if (metric.kind == MetricFacts::Kind::counter && metric.unit == "errors")
      counts.add(metric.name, snapshot.total(metric.name), metric.help);
  return counts.to_string();
}

}  // namespace

std::string format_header(const Reading& reading, const std::string& path) {
  if (!reading.snapshot)
    return fmt::format("cpss {}: {}\n", name_of(reading.state), reading.problem);
  const RegionFacts& facts = reading.snapshot->facts;
  return fmt::format("cpss {}  pid {}{}  model {}  service {}  listen {}  up {}  slots {}\n{}",
                     reading.state_name(), facts.pid,
                     reading.foreign_pid() ? " (of another PID namespace)" : "", facts.model,
                     facts.service, fmt::join(facts.listen, ","),
                     format_duration(reading.uptime_s()), format_count(facts.slots),
                     remark(reading)) +
         fmt::format("region {}\n", path);
}

std::string format_table(const Reading& reading, const Snapshot* before, const std::string& path) {
  std::string text = format_header(reading, path);
  if (!reading.snapshot) return text;
  text += format_data(reading);
  const std::vector<StageFigures> stages = stage_figures(reading, before);
  text += '\n' + format_stages(stages, before != nullptr);
  const std::string lanes = format_lanes(reading, before);
  if (!lanes.empty()) text += '\n' + lanes;
  text += '\n' + format_times(stages);
  text += '\n' + format_waits(stages);
  text += "\nledger\n" + format_ledger(ledger_of(*reading.snapshot));
  for (const std::string& part :
       {format_reasons(*reading.snapshot), format_errors(*reading.snapshot)})
    if (!part.empty()) text += '\n' + part;
  return text;
}

}  // namespace cpss::getstat
