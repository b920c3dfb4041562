#include <iterator>
#include <string_view>

#include <fmt/format.h>

#include "tools/udpblast/report.h"

namespace cpss::udpblast {
namespace {

// RFC 8259, section 7. Bytes above 0x7f, which a path may have, are escaped one by one: the result
// is valid JSON whatever they encode.
std::string json_string(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      result += {'\\', c};
    else if (byte < 0x20 || byte > 0x7e)
      fmt::format_to(std::back_inserter(result), "\\u{:04x}", byte);
    else
      result.push_back(c);
  }
  return result + "\"";
}

class JsonObject {
 public:
  void raw(std::string_view key, std::string_view json) {
    fmt::format_to(std::back_inserter(text_), "{}{}: {}", text_.empty() ? "" : ", ",
                   json_string(key), json);
  }
  void number(std::string_view key, std::uint64_t value) { raw(key, std::to_string(value)); }
  void number(std::string_view key, double value) { raw(key, fmt::format("{}", value)); }
  void boolean(std::string_view key, bool value) { raw(key, value ? "true" : "false"); }
  void string(std::string_view key, std::string_view value) { raw(key, json_string(value)); }
  std::string end() const { return "{" + text_ + "}"; }

 private:
  std::string text_;
};

std::string latency(const HistogramSnapshot& histogram) {
  JsonObject json;
  json.number("count", histogram.count());
  json.number("p50", histogram.percentile(0.5));
  json.number("p90", histogram.percentile(0.9));
  json.number("p99", histogram.percentile(0.99));
  json.number("p999", histogram.percentile(0.999));
  json.number("max", histogram.max);
  return json.end();
}

std::string string_array(const std::vector<std::string>& strings) {
  std::string list;
  for (const std::string& text : strings) list += (list.empty() ? "" : ", ") + json_string(text);
  return "[" + list + "]";
}

}  // namespace

std::string json_report(const RunResult& result, const Options& options) {
  JsonObject json;
  json.string("server", options.server.to_string());
  json.string("workload", result.title);
  json.number("size", std::uint64_t{options.size});
  json.number("clients", std::uint64_t{options.clients});
  json.number("threads", std::uint64_t{options.threads});
  json.number("most_outstanding", std::uint64_t{options.outstanding});
  json.number("timeout_ns", options.timeout_ns);
  json.boolean("checked", options.check);
  for (const CountInfo& count : kCounts) json.number(count.name, result.totals[count.id]);
  json.number("replied", result.replied());
  json.number("lost", result.totals.lost());
  json.number("loss_ratio", result.totals.loss());
  json.number("max_loss_ratio", options.max_loss);
  json.number("elapsed_s", result.seconds);
  json.number("messages_per_s", result.messages_per_second());
  json.raw("latency_ns", latency(result.totals.latency));
  json.number("cpu_user_ns", result.cpu.user_ns);
  json.number("cpu_system_ns", result.cpu.system_ns);
  json.number("cpu_us_per_message", result.cpu_us_per_message());
  json.boolean("interrupted", result.interrupted);
  json.boolean("gave_up", result.gave_up);
  json.raw("problems", string_array(problems(result, options)));
  json.number("exit_code", static_cast<std::uint64_t>(exit_code(result, options)));
  return json.end() + "\n";
}

}  // namespace cpss::udpblast
