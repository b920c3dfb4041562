#include "tools/getstat/json.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "stats/lane_shares.h"
#include "stats/ledger.h"
#include "stats/metrics.h"
#include "tools/getstat/stage_figures.h"

namespace cpss::getstat {
namespace {

using Json = nlohmann::ordered_json;

// The keys that every stage has: the metrics of this build, and those of the region, which another
// build may have made. So each metric has a key, and JSON needs no list of its own.
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

// Six digits after the point: more would only be noise.
double rounded(double value) noexcept {
  return std::round(value * 1e6) / 1e6;
}

Json histogram_json(const HistogramSnapshot& histogram) {
  const std::uint64_t count = histogram.count();
  // Without values there is no percentile: null, since a 0 would look like a very good one.
  const auto figure = [count](std::uint64_t value) { return count == 0 ? Json() : Json(value); };
  return {{"count", count},
          {"p50", figure(histogram.percentile(0.5))},
          {"p99", figure(histogram.percentile(0.99))},
          {"p999", figure(histogram.percentile(0.999))},
          {"max", figure(histogram.max)}};
}

// All metrics that the lanes of the stage have written, each under its name.
void add_metrics(Json& json, const RegionFacts& facts, const StageSnapshot& stage) {
  for (const std::string& name : names_of(MetricFacts::Kind::counter, facts))
    json[name] = stage.counter(name);
  for (const std::string& name : names_of(MetricFacts::Kind::histogram, facts))
    json[name] = histogram_json(stage.histogram(name));
  Json& gauges = json["gauges"] = Json::object();
  for (const std::string& name : names_of(MetricFacts::Kind::gauge, facts))
    gauges[name] = stage.gauge(name);
}

Json stage_json(const RegionFacts& facts, const StageFigures& figures) {
  const StageSnapshot& stage = *figures.stage;
  Json json = {{"name", stage.name},
               {"threads", figures.threads},
               {"threads_max", figures.threads_max},
               {"measured", !stage.essential_only},
               {"queue_depth", figures.queue_depth.value_or(0)},
               {"queue_high_water", figures.queue_high_water.value_or(0)},
               {"busy", figures.busy ? Json(rounded(*figures.busy)) : Json()}};
  add_metrics(json, facts, stage);
  return json;
}

Json stages_json(const Reading& reading) {
  Json json = Json::array();
  for (const StageFigures& figures : stage_figures(reading, nullptr))
    json.push_back(stage_json(reading.snapshot->facts, figures));
  return json;
}

// The metrics of the main thread.
Json server_json(const Snapshot& snapshot) {
  const StageSnapshot* server = snapshot.stage(kServerStage);
  if (server == nullptr) return {};
  Json json = Json::object();
  add_metrics(json, snapshot.facts, *server);
  return json;
}

Json receivers_json(const Snapshot& snapshot, const LaneShares& shares) {
  Json json = Json::array();
  for (std::size_t i = 0; i < shares.lanes.size(); ++i) {
    const LaneSnapshot& lane = snapshot.receivers[i];
    json.push_back({{"lane", lane.lane},
                    {"received", lane.received},
                    {"share", rounded(shares.lanes[i].share)},
                    {"lost_races", lane.lost_races},
                    {"handoffs", lane.handoffs}});
  }
  return json;
}

Json ledger_json(const Ledger& ledger) {
  Json json = {{"received", ledger.received}};
  for (std::size_t i = 0; i < kOutcomeNames.size(); ++i)
    json[std::string(kOutcomeNames[i])] = ledger.outcomes[i];
  json["in_flight"] = ledger.in_flight;
  json["residual"] = ledger.residual;
  json["sent"] = ledger.sent;
  json["kernel_dropped"] = ledger.kernel_dropped;
  json["kernel_dropped_exact"] = ledger.kernel_dropped_exact;
  return json;
}

double seconds_since(const Reading& reading, std::uint64_t moment_ns) {
  return rounded(static_cast<double>(reading.since_ns(moment_ns)) / 1e9);
}

// Why the state is `degraded`; empty if it is not.
Json troubles_json(const Reading& reading) {
  Json json = Json::array();
  if (!reading.degraded()) return json;
  for (const TroubleSnapshot& trouble : reading.snapshot->troubles)
    json.push_back({{"name", trouble.name},
                    {"help", trouble.help},
                    {"reason", trouble.reason},
                    {"lanes", trouble.lanes},
                    {"for_s", seconds_since(reading, trouble.since_ns)}});
  return json;
}

Json reasons_json(const Snapshot& snapshot) {
  Json json = Json::object();
  for (const ReasonCount& reason : snapshot.reasons) json[reason.full_name()] = reason.count;
  return json;
}

Json data_json(const Reading& reading) {
  const std::optional<DataState>& data = reading.snapshot->data;
  if (!data) return {};
  Json json = {{"generation", data->generation},
               {"rows", data->rows},
               {"values", data->values},
               {"bytes", data->bytes},
               {"serial", data->serial},
               {"source", data->source},
               {"load_s", rounded(static_cast<double>(data->load_ns) / 1e9)},
               {"age_s", seconds_since(reading, data->loaded_ns)},
               {"older", data->older},
               {"keeper", data->keeper.empty() ? Json() : Json(data->keeper)},
               {"failed_reloads", data->failures},
               {"last_failure", nullptr}};
  if (data->failures > 0)
    json["last_failure"] = {{"why", data->error},
                            {"age_s", seconds_since(reading, data->failed_ns)}};
  return json;
}

void add_known(Json& json, const Reading& reading) {
  const Snapshot& snapshot = *reading.snapshot;
  json["troubles"] = troubles_json(reading);
  json["pid"] = snapshot.facts.pid;
  json["pid_is_foreign"] = reading.foreign_pid();
  json["model"] = snapshot.facts.model;
  json["service"] = snapshot.facts.service;
  json["uptime_s"] = rounded(reading.uptime_s());
  json["heartbeat_age_s"] = rounded(static_cast<double>(reading.heartbeat_age_ns()) / 1e9);
  json["listen"] = snapshot.facts.listen;
  json["slots"] = snapshot.facts.slots;
  json["data"] = data_json(reading);
  json["stages"] = stages_json(reading);
  json["server"] = server_json(snapshot);
  const LaneShares shares = lane_shares(snapshot, nullptr);  // since the server's start
  json["receivers"] = receivers_json(snapshot, shares);
  json["imbalance"] = shares.imbalance ? Json(rounded(*shares.imbalance)) : Json();
  json["processes"] = {{"started", snapshot.total("processes_started")},
                       {"lost", snapshot.total("processes_lost")}};
  json["ledger"] = ledger_json(ledger_of(snapshot));
  json["reasons"] = reasons_json(snapshot);
}

}  // namespace

std::string format_json(const Reading& reading) {
  Json json = {{"state", reading.state_name()}};
  if (reading.snapshot) {
    add_known(json, reading);
  } else {
    for (const char* unknown : {"troubles", "pid", "pid_is_foreign", "model", "service", "uptime_s",
                                "heartbeat_age_s", "listen", "slots", "data", "stages", "server",
                                "receivers", "imbalance", "processes", "ledger", "reasons"})
      json[unknown] = nullptr;
  }
  // Bytes that are not UTF-8 are replaced: the text of a damaged region can hold anything.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace cpss::getstat
