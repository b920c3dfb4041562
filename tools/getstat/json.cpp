#include "tools/getstat/json.h"

#include <array>
#include <string_view>

#include "stats/lane_shares.h"
#include "stats/ledger.h"
#include "tools/getstat/json_writer.h"
#include "tools/getstat/stage_figures.h"

namespace cpss::getstat {
namespace {

constexpr std::array kStageHistograms = {"wait_ns", "service_ns", "cost_ns", "batch"};
constexpr std::array kStageCounters = {
    "syscalls",        "wait_calls",    "syscall_ns",    "sem_waits",       "sem_wait_ns",
    "futex_wakes",     "slot_wait_ns",  "queue_wait_ns", "busy_ns",         "step_ns",
    "threads_started", "threads_ended", "deferred",      "deferred_inline", "busy_replies",
    "lost_races",      "handoffs"};

void write_histogram(JsonWriter& json, const HistogramSnapshot& histogram) {
  json.begin_object();
  json.key("count").value(histogram.count());
  json.key("p50").value(histogram.percentile(0.5));
  json.key("p99").value(histogram.percentile(0.99));
  json.key("p999").value(histogram.percentile(0.999));
  json.key("max").value(histogram.max);
  json.end_object();
}

void write_stage(JsonWriter& json, const StageFigures& figures) {
  const StageSnapshot& stage = *figures.stage;
  json.begin_object();
  json.key("name").value(stage.name);
  json.key("threads").value(figures.threads);
  json.key("threads_most").value(figures.threads_most);
  json.key("measured").value(!stage.books_only);
  for (const char* counter : {"entered", "left", "retired"})
    json.key(counter).value(stage.counter(counter));
  json.key("queue_depth").value(figures.queue_depth.value_or(0));
  json.key("queue_high_water").value(figures.queue_high_water.value_or(0));
  json.key("busy").value(figures.busy);
  for (const char* histogram : kStageHistograms) {
    json.key(histogram);
    write_histogram(json, stage.histogram(histogram));
  }
  for (const char* counter : kStageCounters) json.key(counter).value(stage.counter(counter));
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

void write_known(JsonWriter& json, const Reading& reading) {
  const Snapshot& snapshot = *reading.snapshot;
  json.key("pid").value(snapshot.facts.pid);
  json.key("model").value(snapshot.facts.model);
  json.key("service").value(snapshot.facts.service);
  json.key("uptime_s").value(reading.uptime_s());
  json.key("heartbeat_age_s").value(static_cast<double>(reading.heartbeat_age_ns()) / 1e9);
  json.key("listen").begin_array();
  for (const std::string& address : snapshot.facts.listen) json.value(address);
  json.end_array();
  json.key("stages").begin_array();
  for (const StageFigures& figures : stage_figures(reading, nullptr)) write_stage(json, figures);
  json.end_array();
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
  json.key("state").value(name_of(reading.state));
  if (reading.snapshot) {
    write_known(json, reading);
  } else {
    for (const char* unknown :
         {"pid", "model", "service", "uptime_s", "heartbeat_age_s", "listen", "stages", "receivers",
          "imbalance", "processes", "ledger", "reasons"})
      json.key(unknown).null();
  }
  json.end_object();
  return json.text() + '\n';
}

}  // namespace cpss::getstat
