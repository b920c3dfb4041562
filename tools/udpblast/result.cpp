#include "tools/udpblast/result.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tools/udpblast/loop.h"

namespace cpss::udpblast {
namespace {

bool loss_allowed(const RunResult& result, const Options& options) {
  return result.totals.loss() <= options.max_loss;
}

bool missed_allowed(const RunResult& result, const Options& options) {
  return result.totals.missed() <= options.missed_allowed();
}

bool anything_wrong(const Totals& totals) {
  return totals[Count::wrong] != 0 || totals[Count::duplicate] != 0 ||
         totals[Count::unknown] != 0 || totals[Count::malformed] != 0;
}

// "3 wrong replies; first: ..."
std::string counted(std::uint64_t n, std::string_view one, std::string_view many,
                    const std::optional<Finding>& first) {
  return fmt::format("{} {}{}{}", n, n == 1 ? one : many, first ? "; first: " : "",
                     first ? first->text : "");
}

std::string loss_line(const RunResult& result, const Options& options) {
  const Totals& totals = result.totals;
  std::string line = fmt::format("{} lost ({:.5f} %)", totals.lost(), 100 * totals.loss());
  if (totals[Count::busy] != 0)
    line += fmt::format(", of these {} answered \"busy\"", totals[Count::busy]);
  if (totals[Count::late] != 0)
    line += fmt::format(", of these {} answered late", totals[Count::late]);
  if (totals[Count::outstanding] != 0)
    line += fmt::format(", of these {} still under way when the run was cut short",
                        totals[Count::outstanding]);
  if (loss_allowed(result, options))
    line += fmt::format(", within --max-loss {:g} %", 100 * options.max_loss);
  for (const Fault fault : {Fault::lost, Fault::busy})
    if (const auto& first = result.findings[fault]) return line + "; first: " + first->text;
  return line;
}

std::string missed_line(const RunResult& result, const Options& options) {
  const Totals& totals = result.totals;
  return fmt::format(
      "{} of {} planned message(s) missed ({:.2f} %), {} --max-missed {:g} %: not sent, because "
      "there was no room for them among those under way, the kernel took nothing, or the time was "
      "over",
      totals[Count::missed], totals[Count::planned], 100 * totals.missed(),
      missed_allowed(result, options) ? "within" : "more than", 100 * options.missed_allowed());
}

std::string schedule_line(const RunResult& result) {
  const HistogramSnapshot& lag = result.totals.lag;
  return fmt::format(
      "did not keep its schedule: {:.2f} % of the asked {:.0f} messages/s achieved (at least "
      "{:g} %), 99 % sent at most {:.3f} ms late (at most {:g} ms); the figures are not of the "
      "load asked for",
      100 * result.schedule->achieved_ratio, result.schedule->asked_per_s, 100 * kMinAchieved,
      static_cast<double>(lag.percentile(0.99)) / 1e6,
      static_cast<double>(result.schedule->allowed_lag_ns) / 1e6);
}

constexpr std::string_view kRefused =
    "(ICMP port unreachable); is cpssd running, and on this address and port (-s, -p)?";

// The user may have meant another address of the name.
std::string other_addresses(const Options& options) {
  if (options.server_others.empty()) return {};
  return fmt::format("; {} is also {}: -s takes an address, too", options.server_name,
                     fmt::join(options.server_others, ", "));
}

std::string no_reply_line(const RunResult& result, const Options& options) {
  const std::string line = fmt::format("no reply at all from {}: ", options.server_text());
  if (result.totals[Count::connection_refused] != 0)
    return fmt::format("{}nothing listens there {}{}", line, kRefused, other_addresses(options));
  return line +
         "is cpssd running there, is its service the one asked for (--service), does it allow this "
         "client (CPSS_ALLOW), are its windows as large as the messages (--size, CPSS_MSGSIZE), "
         "does a packet filter drop UDP?" +
         other_addresses(options);
}

std::string silence_line(const RunResult& result, const Options& options) {
  const std::string server = options.server_text();
  if (options.part == Part::verify)
    return fmt::format(
        "no reply arrived at {}: is it the server's CPSS_RESP_ADDR, and does udpblast send run?",
        server);
  return result.gave_up && result.totals[Count::packets_in] != 0
             ? fmt::format("gave up: {} stopped answering", server)
             : no_reply_line(result, options);
}

}  // namespace

double RunResult::cpu_us_per_message() const noexcept {
  const std::uint64_t sent = totals[Count::sent];
  if (sent == 0) return 0;
  return static_cast<double>(cpu.user_ns + cpu.system_ns) / 1e3 / static_cast<double>(sent);
}

std::uint64_t allowed_lag_ns(const Options& options) {
  constexpr std::uint64_t kMillisecond = 1'000'000;
  return options.burst ? std::max(kMillisecond, options.burst->gap_ns / 10) : kMillisecond;
}

double planned_s(const Options& options, const Totals& totals) {
  return static_cast<double>(send_times_of(options)->span_ns(totals[Count::planned])) / 1e9;
}

ScheduleQuality judge_schedule(const Options& options, const Totals& totals, double sending_s) {
  ScheduleQuality quality{.asked_per_s = send_times_of(options)->messages_per_second(),
                          .allowed_lag_ns = allowed_lag_ns(options)};
  const std::uint64_t planned = totals[Count::planned];
  if (planned == 0) return quality;
  quality.achieved_ratio = static_cast<double>(totals[Count::sent]) / static_cast<double>(planned) *
                           planned_s(options, totals) / sending_s;
  quality.kept = totals.lag.percentile(0.99) <= quality.allowed_lag_ns &&
                 quality.achieved_ratio >= kMinAchieved;
  return quality;
}

ExitCode exit_code(const RunResult& result, const Options& options) {
  const Totals& totals = result.totals;
  if (options.part == Part::send) {
    if (totals[Count::sent] == 0) return ExitCode::could_not_run;
    return missed_allowed(result, options) && totals[Count::connection_refused] == 0 &&
                   !result.gave_up
               ? ExitCode::all_right
               : ExitCode::not_right;
  }
  if (totals[Count::sent] == 0 && totals[Count::packets_in] == 0) return ExitCode::could_not_run;
  const bool right = !anything_wrong(totals) && loss_allowed(result, options) &&
                     missed_allowed(result, options) && !result.gave_up &&
                     totals[Count::packets_in] != 0;
  return right ? ExitCode::all_right : ExitCode::not_right;
}

std::vector<std::string> problems(const RunResult& result, const Options& options) {
  const Totals& totals = result.totals;
  const FirstFindings& findings = result.findings;
  std::vector<std::string> lines;
  const auto add = [&](Count count, Fault fault, std::string_view one, std::string_view many) {
    if (totals[count] != 0) lines.push_back(counted(totals[count], one, many, findings[fault]));
  };
  add(Count::wrong, Fault::wrong, "wrong reply", "wrong replies");
  add(Count::duplicate, Fault::duplicate, "duplicate", "duplicates");
  add(Count::late, Fault::late, "late reply", "late replies");
  add(Count::unknown, Fault::unknown, "unknown reply (never asked for)",
      "unknown replies (never asked for)");
  add(Count::malformed, Fault::malformed, "malformed reply (not of this protocol)",
      "malformed replies (not of this protocol)");
  if (options.part != Part::send && totals.lost() != 0) lines.push_back(loss_line(result, options));
  if (options.part != Part::send && totals[Count::kernel_dropped] != 0)
    lines.push_back(
        fmt::format("{} datagram(s) dropped by the kernel at udpblast's own sockets; lower -q, "
                    "raise -c, or raise net.core.rmem_max",
                    totals[Count::kernel_dropped]));
  if (totals[Count::missed] != 0) lines.push_back(missed_line(result, options));
  if (result.schedule && !result.schedule->kept) lines.push_back(schedule_line(result));
  add(Count::send_errors, Fault::send_error, "send failed and was tried again",
      "sends failed and were tried again");
  add(Count::receive_errors, Fault::receive_error, "receive failed", "receives failed");
  if (options.part == Part::send && totals[Count::connection_refused] != 0)
    lines.push_back(fmt::format("nothing listens at {} {}{}", options.server_text(), kRefused,
                                other_addresses(options)));
  if (totals[Count::sent] == 0)
    lines.push_back("nothing was sent");
  else if (options.part == Part::send && result.gave_up)
    lines.push_back("gave up: the system refuses to send");
  else if (options.part != Part::send && (totals[Count::packets_in] == 0 || result.gave_up))
    lines.push_back(silence_line(result, options));
  return lines;
}

}  // namespace cpss::udpblast
