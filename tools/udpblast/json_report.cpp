#include <algorithm>
#include <array>

#include "tools/udpblast/json_object.h"
#include "tools/udpblast/report.h"

namespace cpss::udpblast {
namespace {

// Of no values there is no percentile: null, which nobody takes for a very good one.
template <typename Number>
void add_figure(JsonObject& json, std::string_view key, const HistogramSnapshot& values,
                Number figure) {
  if (values.count() == 0)
    json.null(key);
  else
    json.number(key, figure);
}

JsonObject histogram(const HistogramSnapshot& values) {
  JsonObject json;
  json.number("count", values.count());
  add_figure(json, "p50", values, values.percentile(0.5));
  add_figure(json, "p90", values, values.percentile(0.9));
  add_figure(json, "p99", values, values.percentile(0.99));
  add_figure(json, "p999", values, values.percentile(0.999));
  add_figure(json, "max", values, values.max);
  return json;
}

std::string latency(const Latencies& values) {
  JsonObject json = histogram(values);
  add_figure(json, "mean", values, values.mean_ns());
  return json.end();
}

std::string classes(const RunResult& result) {
  std::string list;
  for (std::size_t i = 0; i < result.classes.size(); ++i) {
    const ClassTotals& totals = result.totals.classes[i];
    JsonObject json;
    json.string("name", result.classes[i]);
    json.number("messages", totals.sent);
    json.number("lost", totals.lost());
    json.raw("latency_ns", latency(totals.latency));
    list += (list.empty() ? "" : ", ") + json.end();
  }
  return "[" + list + "]";
}

std::string schedule(const RunResult& result) {
  if (!result.schedule) return "null";
  JsonObject json;
  json.boolean("kept", result.schedule->kept);
  json.number("achieved_ratio", result.schedule->achieved_ratio);
  json.number("allowed_lag_ns", result.schedule->allowed_lag_ns);
  json.raw("lag_ns", histogram(result.totals.lag).end());
  return json.end();
}

std::string loss(const RunResult& result) {
  if (!result.loss || !result.loss->places) return "null";
  JsonObject json;
  json.number("total", result.loss->places->total);
  for (const PlaceInfo& place : kPlaces) json.number(place.name, (*result.loss->places)[place.id]);
  json.number("unexplained", result.loss->places->unexplained);
  return json.end();
}

// What a half says nothing about.
bool counted_by(Part part, Count count) {
  using enum Count;
  static constexpr std::array kOfSending = {
      planned,       sent,       missed,     connection_refused, send_errors,
      partial_sends, send_waits, send_calls, wait_calls};
  static constexpr std::array kOfVerifying = {
      right,     wrong,          busy,          packets_in, duplicate,     unknown,
      malformed, receive_errors, receive_calls, wait_calls, kernel_dropped};
  if (part == Part::send) return std::ranges::find(kOfSending, count) != kOfSending.end();
  if (part == Part::verify) return std::ranges::find(kOfVerifying, count) != kOfVerifying.end();
  return true;
}

void add_loss(JsonObject& json, const RunResult& result, const Options& options) {
  json.number("lost", result.totals.lost());
  json.number("loss_ratio", result.totals.loss());
  json.number("max_loss_ratio", options.max_loss);
}

void add_sending(JsonObject& json, const RunResult& result, const Options& options) {
  json.number("missed_ratio", result.totals.missed());
  json.number("max_missed_ratio", options.missed_allowed());
  if (result.schedule)
    json.number("asked_rate_per_s", result.schedule->asked_per_s);
  else
    json.null("asked_rate_per_s");
  json.number("sent_per_s", result.sent_per_second());
  json.raw("schedule", schedule(result));
}

void add_replies(JsonObject& json, const RunResult& result) {
  json.number("replied", result.replied());
  json.number("elapsed_s", result.seconds);
  json.number("messages_per_s", result.messages_per_second());
}

void add_part(JsonObject& json, const RunResult& result, const Options& options) {
  switch (options.part) {
    case Part::both:
      if (options.outstanding || !options.open_loop())
        json.number("max_outstanding",
                    std::uint64_t{options.outstanding.value_or(kDefaultOutstanding)});
      else
        json.null("max_outstanding");
      json.number("timeout_ns", options.timeout_ns);
      json.boolean("checked", options.check);
      add_loss(json, result, options);
      add_sending(json, result, options);
      add_replies(json, result);
      json.raw("latency_ns", latency(result.totals.latency));
      json.raw("classes", classes(result));
      json.raw("loss", loss(result));
      json.raw("loss_notes",
               json_strings(result.loss ? result.loss->notes : std::vector<std::string>()));
      break;
    case Part::send:
      json.number("seed", result.seed);
      add_sending(json, result, options);
      break;
    case Part::verify:
      json.number("seed", result.seed);
      json.boolean("checked", options.check);
      json.number("expected", result.totals[Count::sent]);
      json.number("missing", result.totals[Count::timed_out]);
      add_loss(json, result, options);
      add_replies(json, result);
      break;
  }
}

}  // namespace

std::string json_report(const RunResult& result, const Options& options) {
  JsonObject json;
  json.string("server", options.server.to_string());
  if (options.source)
    json.string("source", options.source->ip().to_string());
  else
    json.null("source");
  json.string("workload", result.title);
  json.number("size", std::uint64_t{options.size});
  json.number("clients", std::uint64_t{options.clients});
  json.number("threads", std::uint64_t{options.threads});
  json.number("segment", std::uint64_t{options.segments});
  for (const CountInfo& count : kCounts)
    if (counted_by(options.part, count.id)) json.number(count.name, result.totals[count.id]);
  add_part(json, result, options);
  json.number("cpu_user_ns", result.cpu.user_ns);
  json.number("cpu_system_ns", result.cpu.system_ns);
  json.number("cpu_us_per_message", result.cpu_us_per_message());
  json.boolean("interrupted", result.interrupted);
  json.boolean("gave_up", result.gave_up);
  json.raw("problems", json_strings(problems(result, options)));
  json.number("exit_code", static_cast<std::uint64_t>(exit_code(result, options)));
  return json.end() + "\n";
}

}  // namespace cpss::udpblast
