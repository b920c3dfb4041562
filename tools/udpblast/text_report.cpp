#include <iterator>
#include <string_view>

#include <fmt/format.h>

#include "tools/udpblast/report.h"

namespace cpss::udpblast {
namespace {

// 2020222 as 2,020,222.
std::string grouped(std::uint64_t value) {
  return fmt::format("{}", fmt::group_digits(value));
}

std::string plural(std::uint64_t n, std::string_view noun) {
  return fmt::format("{} {}{}", grouped(n), noun, n == 1 ? "" : "s");
}

}  // namespace

std::string text_report(const RunResult& result, const Options& options) {
  const Totals& totals = result.totals;
  const auto us = [&](double share) {
    return static_cast<double>(totals.latency.percentile(share)) / 1e3;
  };
  const double messages = static_cast<double>(totals[Count::sent]);
  const auto cpu_us = [&](std::uint64_t ns) {
    return messages > 0 ? static_cast<double>(ns) / 1e3 / messages : 0;
  };

  std::string text;
  const auto line = [&text](std::string_view name, const std::string& value) {
    fmt::format_to(std::back_inserter(text), "  {:<11} {}\n", name, value);
  };
  fmt::format_to(std::back_inserter(text), "{} at {}\n", result.title, options.server.to_string());
  line("load",
       fmt::format("{} bytes a message, {} outstanding, {}, {}", options.size, options.outstanding,
                   plural(options.clients, "client"), plural(options.threads, "thread")));
  line("sent", grouped(totals[Count::sent]));
  line("replied", fmt::format("{}, {} {}", grouped(result.replied()), grouped(totals[Count::right]),
                              options.check ? "right" : "not checked for content"));
  line("lost", fmt::format("{} ({:.5f} %)", grouped(totals.lost()), 100 * totals.loss()));
  line("throughput",
       fmt::format("{:.0f} messages/s for {:.3f} s", result.messages_per_second(), result.seconds));
  line("latency us",
       fmt::format("p50 {:.1f}, p90 {:.1f}, p99 {:.1f}, p99.9 {:.1f}, max {:.1f}", us(0.5), us(0.9),
                   us(0.99), us(0.999), static_cast<double>(totals.latency.max) / 1e3));
  line("client CPU",
       fmt::format("{:.3f} us a message (user {:.3f}, system {:.3f})", result.cpu_us_per_message(),
                   cpu_us(result.cpu.user_ns), cpu_us(result.cpu.system_ns)));
  line("books", fmt::format("sent {} = right {} + wrong {} + timed out {} + outstanding {}",
                            totals[Count::sent], totals[Count::right], totals[Count::wrong],
                            totals[Count::timed_out], totals[Count::outstanding]));
  line("", fmt::format("packets in {} = right {} + wrong {} + late {} + duplicate {} + unknown {} "
                       "+ malformed {}",
                       totals[Count::packets_in], totals[Count::right], totals[Count::wrong],
                       totals[Count::late], totals[Count::duplicate], totals[Count::unknown],
                       totals[Count::malformed]));
  if (result.interrupted) text += "ended early by a signal\n";
  for (const std::string& problem : problems(result, options)) text += problem + "\n";
  text += exit_code(result, options) == ExitCode::all_right
              ? (options.check ? "all right: every reply was checked\n" : "all answered\n")
              : "NOT all right\n";
  return text;
}

}  // namespace cpss::udpblast
