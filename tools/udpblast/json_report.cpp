#include <algorithm>
#include <array>
#include <string>

#include <nlohmann/json.hpp>

#include "tools/udpblast/result.h"

namespace cpss::udpblast {
namespace {

using Json = nlohmann::ordered_json;

Json histogram(const HistogramSnapshot& values) {
  // Without values there is no percentile: null, since a 0 would look like a very good one.
  const auto figure = [&values](std::uint64_t value) {
    return values.count() == 0 ? Json() : Json(value);
  };
  return {{"count", values.count()},
          {"p50", figure(values.percentile(0.5))},
          {"p90", figure(values.percentile(0.9))},
          {"p99", figure(values.percentile(0.99))},
          {"p999", figure(values.percentile(0.999))},
          {"max", figure(values.max)}};
}

Json latency(const Latencies& values) {
  Json json = histogram(values);
  json["mean"] = values.count() == 0 ? Json() : Json(values.mean_ns());
  return json;
}

Json classes(const RunResult& result) {
  Json list = Json::array();
  for (std::size_t i = 0; i < result.classes.size(); ++i) {
    const ClassTotals& totals = result.totals.classes[i];
    list.push_back({{"name", result.classes[i]},
                    {"messages", totals.sent},
                    {"lost", totals.lost()},
                    {"latency_ns", latency(totals.latency)}});
  }
  return list;
}

Json schedule(const RunResult& result) {
  if (!result.schedule) return {};
  return {{"kept", result.schedule->kept},
          {"achieved_ratio", result.schedule->achieved_ratio},
          {"allowed_lag_ns", result.schedule->allowed_lag_ns},
          {"lag_ns", histogram(result.totals.lag)}};
}

Json loss(const RunResult& result) {
  if (!result.loss || !result.loss->places) return {};
  Json json = {{"total", result.loss->places->total}};
  for (const PlaceInfo& place : kPlaces)
    json[std::string(place.name)] = (*result.loss->places)[place.id];
  json["unexplained"] = result.loss->places->unexplained;
  return json;
}

// Whether this part of a run reports the count.
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

void add_loss(Json& json, const RunResult& result, const Options& options) {
  json["lost"] = result.totals.lost();
  json["loss_ratio"] = result.totals.loss();
  json["max_loss_ratio"] = options.max_loss;
}

void add_sending(Json& json, const RunResult& result, const Options& options) {
  json["missed_ratio"] = result.totals.missed();
  json["max_missed_ratio"] = options.missed_allowed();
  json["asked_rate_per_s"] = result.schedule ? Json(result.schedule->asked_per_s) : Json();
  json["sent_per_s"] = result.sent_per_second();
  json["schedule"] = schedule(result);
}

void add_replies(Json& json, const RunResult& result) {
  json["replied"] = result.replied();
  json["elapsed_s"] = result.seconds;
  json["messages_per_s"] = result.messages_per_second();
}

void add_part(Json& json, const RunResult& result, const Options& options) {
  switch (options.part) {
    case Part::both:
      json["max_outstanding"] = options.outstanding || !options.open_loop()
                                    ? Json(options.outstanding.value_or(kDefaultOutstanding))
                                    : Json();
      json["timeout_ns"] = options.timeout_ns;
      json["checked"] = options.check;
      add_loss(json, result, options);
      add_sending(json, result, options);
      add_replies(json, result);
      json["latency_ns"] = latency(result.totals.latency);
      json["classes"] = classes(result);
      json["loss"] = loss(result);
      json["loss_notes"] = result.loss ? Json(result.loss->notes) : Json::array();
      break;
    case Part::send:
      json["seed"] = result.seed;
      add_sending(json, result, options);
      break;
    case Part::verify:
      json["seed"] = result.seed;
      json["checked"] = options.check;
      json["expected"] = result.totals[Count::sent];
      json["missing"] = result.totals[Count::timed_out];
      add_loss(json, result, options);
      add_replies(json, result);
      break;
  }
}

}  // namespace

std::string json_report(const RunResult& result, const Options& options) {
  Json json = {{"server", options.server.to_string()},
               {"source", options.source ? Json(options.source->ip().to_string()) : Json()},
               {"workload", result.title},
               {"size", options.size},
               {"clients", options.clients},
               {"threads", options.threads},
               {"segment", options.segments}};
  for (const CountInfo& count : kCounts)
    if (counted_by(options.part, count.id)) json[std::string(count.name)] = result.totals[count.id];
  add_part(json, result, options);
  json["cpu_user_ns"] = result.cpu.user_ns;
  json["cpu_system_ns"] = result.cpu.system_ns;
  json["cpu_us_per_message"] = result.cpu_us_per_message();
  json["interrupted"] = result.interrupted;
  json["gave_up"] = result.gave_up;
  json["problems"] = problems(result, options);
  json["exit_code"] = exit_code(result, options);
  // A path in a note may not be UTF-8: bytes that are not are replaced.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace cpss::udpblast
