#include "tools/getstat/json.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "stats/lane_shares.h"
#include "stats/ledger.h"
#include "stats/metrics.h"
#include "tools/getstat/json_writer.h"
#include "tools/getstat/stage_figures.h"

namespace cpss::getstat {
namespace {

// What a stage has a key for in any case: of this build's list, and of the region's, which may be
// another build's. So whatever is measured is here, without a list of its own.
std::vector<std::string> names_of(MetricFacts::Kind kind, const RegionFacts& facts) {
  std::vector<std::string> names;
  const auto add = [&names](std::string_view name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.emplace_back(name);
  };
  const auto add_all = [&add](const auto& table) {
    for (const auto& row : table) add(row.info.name);
  };
  if (kind == MetricFacts::Kind::counter) add_all(kCounters);
  if (kind == MetricFacts::Kind::gauge) add_all(kGauges);
  if (kind == MetricFacts::Kind::histogram) add_all(kHistograms);
  for (const MetricFacts& metric : facts.metrics)
    if (metric.kind == kind) add(metric.name);
  return names;
}

void write_histogram(JsonWriter& json, const HistogramSnapshot& histogram) {
  json.begin_object();
  const std::uint64_t count = histogram.count();
  json.key("count").value(count);
  // Of no values there is no percentile: null, which nobody takes for a very good one.
  const auto figure = [&](const char* key, std::uint64_t value) {
    json.key(key);
    if (count == 0)
      json.null();
    else
      json.value(value);
  };
  figure("p50", histogram.percentile(0.5));
  figure("p99", histogram.percentile(0.99));
  figure("p999", histogram.percentile(0.999));
  figure("max", histogram.max);
  json.end_object();
}

// All that the lanes of the stage have written, by its name.
void write_metrics(JsonWriter& json, const RegionFacts& facts, const StageSnapshot& stage) {
  for (const std::string& name : names_of(MetricFacts::Kind::counter, facts))
    json.key(name).value(stage.counter(name));
  for (const std::string& name : names_of(MetricFacts::Kind::histogram, facts)) {
    json.key(name);
    write_histogram(json, stage.histogram(name));
  }
  json.key("gauges").begin_object();
  for (const std::string& name : names_of(MetricFacts::Kind::gauge, facts))
    json.key(name).value(stage.gauge(name));
  json.end_object();
}

void write_stage(JsonWriter& json, const RegionFacts& facts, const StageFigures& figures) {
  const StageSnapshot& stage = *figures.stage;
  json.begin_object();
  json.key("name").value(stage.name);
  json.key("threads").value(figures.threads);
  json.key("threads_max").value(figures.threads_max);
  json.key("measured").value(!stage.essential_only);
  json.key("queue_depth").value(figures.queue_depth.value_or(0));
  json.key("queue_high_water").value(figures.queue_high_water.value_or(0));
  json.key("busy").value(figures.busy);
  write_metrics(json, facts, stage);
  json.end_object();
}

// The main thread's own.
void write_server(JsonWriter& json, const Snapshot& snapshot) {
  const StageSnapshot* server = snapshot.stage(kServerStage);
  json.key("server");
  if (server == nullptr) return json.null();
  json.begin_object();
  write_metrics(json, snapshot.facts, *server);
  json.end_object();
}

// Since the server's start.
void write_receivers(JsonWriter& json, const Snapshot& snapshot) {
  const LaneShares shares = lane_shares(snapshot, nullptr);
  json.key("receivers").begin_array();
  for (std::size_t i = 0; i < shares.lanes.size(); ++i) {
    const LaneSnapshot& lane = snapshot.receivers[i];
    json.begin_object();
    json.key("lane").value(lane.lane);
    json.key("received").value(lane.received);
    json.key("share").value(shares.lanes[i].share);
    json.key("lost_races").value(lane.lost_races);
    json.key("handoffs").value(lane.handoffs);
    json.end_object();
  }
  json.end_array();
  json.key("imbalance");
  if (shares.imbalance)
    json.value(*shares.imbalance);
  else
    json.null();
}

void write_ledger(JsonWriter& json, const Ledger& ledger) {
  json.begin_object();
  json.key("received").value(ledger.received);
  for (std::size_t i = 0; i < kOutcomeNames.size(); ++i)
    json.key(kOutcomeNames[i]).value(ledger.outcomes[i]);
  json.key("in_flight").value(ledger.in_flight);
  json.key("residual").value(ledger.residual);
  json.key("sent").value(ledger.sent);
  json.key("kernel_dropped").value(ledger.kernel_dropped);
  json.key("kernel_dropped_exact").value(ledger.kernel_dropped_exact);
  json.end_object();
}

// Why the state is `degraded`; empty where it is not.
void write_troubles(JsonWriter& json, const Reading& reading) {
  json.key("troubles").begin_array();
  if (reading.degraded())
    for (const TroubleSnapshot& trouble : reading.snapshot->troubles) {
      json.begin_object();
      json.key("name").value(trouble.name);
      json.key("help").value(trouble.help);
      json.key("reason").value(trouble.reason);
      json.key("lanes").value(trouble.lanes);
      json.key("for_s").value(static_cast<double>(reading.lasts_ns(trouble)) / 1e9);
      json.end_object();
    }
  json.end_array();
}

void write_known(JsonWriter& json, const Reading& reading) {
  const Snapshot& snapshot = *reading.snapshot;
  write_troubles(json, reading);
  json.key("pid").value(snapshot.facts.pid);
  json.key("pid_is_foreign").value(reading.foreign_pid());
  json.key("model").value(snapshot.facts.model);
  json.key("service").value(snapshot.facts.service);
  json.key("uptime_s").value(reading.uptime_s());
  json.key("heartbeat_age_s").value(static_cast<double>(reading.heartbeat_age_ns()) / 1e9);
  json.key("listen").begin_array();
  for (const std::string& address : snapshot.facts.listen) json.value(address);
  json.end_array();
  json.key("slots").value(snapshot.facts.slots);
  json.key("stages").begin_array();
  for (const StageFigures& figures : stage_figures(reading, nullptr))
    write_stage(json, snapshot.facts, figures);
  json.end_array();
  write_server(json, snapshot);
  write_receivers(json, snapshot);
  json.key("processes").begin_object();
  json.key("started").value(snapshot.total("processes_started"));
  json.key("lost").value(snapshot.total("processes_lost"));
  json.end_object();
  json.key("ledger");
  write_ledger(json, ledger_of(snapshot));
  json.key("reasons").begin_object();
  for (const ReasonCount& reason : snapshot.reasons)
    json.key(reason.full_name()).value(reason.count);
  json.end_object();
}

}  // namespace

std::string format_json(const Reading& reading) {
  JsonWriter json;
  json.begin_object();
  json.key("state").value(reading.state_name());
  if (reading.snapshot) {
    write_known(json, reading);
  } else {
    for (const char* unknown : {"troubles", "pid", "pid_is_foreign", "model", "service", "uptime_s",
                                "heartbeat_age_s", "listen", "slots", "stages", "server",
                                "receivers", "imbalance", "processes", "ledger", "reasons"})
      json.key(unknown).null();
  }
  json.end_object();
  return json.text() + '\n';
}

}  // namespace cpss::getstat
