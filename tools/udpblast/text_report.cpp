#include <algorithm>
#include <iterator>
#include <string_view>

#include <fmt/format.h>

#include "tools/udpblast/result.h"

namespace cpss::udpblast {
namespace {

// 2020222 as 2,020,222.
std::string grouped(std::uint64_t value) {
  return fmt::format("{}", fmt::group_digits(value));
}

std::string plural(std::uint64_t n, std::string_view noun) {
  return fmt::format("{} {}{}", grouped(n), noun, n == 1 ? "" : "s");
}

std::string percentiles_us(const HistogramSnapshot& values) {
  if (values.count() == 0) return "none";
  const auto us = [&](double share) { return static_cast<double>(values.percentile(share)) / 1e3; };
  return fmt::format("p50 {:.1f}, p90 {:.1f}, p99 {:.1f}, p99.9 {:.1f}, max {:.1f}", us(0.5),
                     us(0.9), us(0.99), us(0.999), static_cast<double>(values.max) / 1e3);
}

class Text {
 public:
  void plain(std::string_view text) { text_.append(text).push_back('\n'); }
  void line(std::string_view name, std::string_view value) {
    fmt::format_to(std::back_inserter(text_), "  {:<11} {}\n", name, value);
  }
  // "sent 10 = right 8 + wrong 2"
  void ledger(std::string_view name, const Totals& totals, Count whole,
              std::initializer_list<Count> parts) {
    std::string value = counted(totals, whole);
    for (const Count part : parts)
      value += (part == *parts.begin() ? " = " : " + ") + counted(totals, part);
    line(name, value);
  }
  std::string end() { return std::move(text_); }

 private:
  static std::string counted(const Totals& totals, Count count) {
    std::string name(kCounts[static_cast<std::size_t>(count)].name);
    std::ranges::replace(name, '_', ' ');
    return fmt::format("{} {}", name, totals[count]);
  }

  std::string text_;
};

std::string load(const Options& options) {
  std::string how =
      options.part == Part::send
          ? "as fast as the kernel takes them"
          : fmt::format("{} outstanding", options.outstanding.value_or(kDefaultOutstanding));
  if (options.rate) how = fmt::format("{} messages/s", grouped(*options.rate));
  if (options.burst)
    how = fmt::format("bursts of {} every {:g} ms", grouped(options.burst->messages),
                      static_cast<double>(options.burst->gap_ns) / 1e6);
  if (options.open_loop() && options.outstanding)
    how += fmt::format(", at most {} outstanding", grouped(*options.outstanding));
  if (options.segments > 1) how += fmt::format(", {} in a packet", options.segments);
  return fmt::format("{} bytes a message, {}, {}, {}", options.size, how,
                     plural(options.clients, "client"), plural(options.threads, "thread"));
}

void add_schedule(Text& text, const RunResult& result) {
  if (!result.schedule) return;
  text.line("schedule",
            fmt::format("{}: {:.0f} of {:.0f} messages/s achieved ({:.2f} %), {} missed",
                        result.schedule->kept ? "kept" : "NOT KEPT", result.sent_per_second(),
                        result.schedule->asked_per_s, 100 * result.schedule->achieved_ratio,
                        grouped(result.totals[Count::missed])));
  text.line("send lag us", percentiles_us(result.totals.lag));
}

void add_cpu(Text& text, const RunResult& result) {
  const double messages =
      static_cast<double>(std::max<std::uint64_t>(1, result.totals[Count::sent]));
  text.line("client CPU", fmt::format("{:.3f} us a message (user {:.3f}, system {:.3f})",
                                      result.cpu_us_per_message(),
                                      static_cast<double>(result.cpu.user_ns) / 1e3 / messages,
                                      static_cast<double>(result.cpu.system_ns) / 1e3 / messages));
}

void add_places(Text& text, const RunResult& result) {
  if (!result.loss) return;
  const auto& places = result.loss->places;
  if (places && places->total == 0 && places->unexplained == 0) return;
  if (!places && result.totals.lost() == 0) return;
  text.plain(fmt::format("where the {} lost or wrong messages went",
                         grouped(places ? places->total : result.totals.lost())));
  if (places) {
    for (const PlaceInfo& place : kPlaces)
      if ((*places)[place.id] != 0)
        text.plain(fmt::format("  {:>13}  {}", grouped((*places)[place.id]), place.help));
    text.plain(fmt::format("  {:>13}  unexplained", places->unexplained));
  }
  for (const std::string& note : result.loss->notes) text.plain("  " + note);
}

void add_whole(Text& text, const RunResult& result, const Options& options) {
  const Totals& totals = result.totals;
  text.line("load", load(options));
  add_schedule(text, result);
  text.line("sent", grouped(totals[Count::sent]));
  text.line("replied",
            fmt::format("{}, {} {}", grouped(result.replied()), grouped(totals[Count::right]),
                        options.check ? "right" : "not checked for content"));
  text.line("lost", fmt::format("{} ({:.5f} %)", grouped(totals.lost()), 100 * totals.loss()));
  text.line("throughput", fmt::format("{:.0f} messages/s for {:.3f} s",
                                      result.messages_per_second(), result.seconds));
  text.line("latency us", percentiles_us(totals.latency));
  for (std::size_t i = 0; i < result.classes.size(); ++i) {
    const ClassTotals& totals_of_class = totals.classes[i];
    text.line("", fmt::format("{}: {} sent, {} lost; {}", result.classes[i],
                              grouped(totals_of_class.sent), grouped(totals_of_class.lost()),
                              percentiles_us(totals_of_class.latency)));
  }
  if (options.open_loop())
    text.line("", "from the planned time; messages that timed out are counted in");
  add_cpu(text, result);
  text.ledger("ledger", totals, Count::planned, {Count::sent, Count::missed});
  text.ledger("", totals, Count::sent,
              {Count::right, Count::wrong, Count::busy, Count::timed_out, Count::outstanding});
  text.ledger("", totals, Count::packets_in,
              {Count::right, Count::wrong, Count::busy, Count::late, Count::duplicate,
               Count::unknown, Count::malformed});
  add_places(text, result);
}

void add_send(Text& text, const RunResult& result, const Options& options) {
  text.line("load", load(options));
  add_schedule(text, result);
  text.line("sent", fmt::format("{}, {:.0f} messages/s", grouped(result.totals[Count::sent]),
                                result.sent_per_second()));
  add_cpu(text, result);
  text.ledger("ledger", result.totals, Count::planned, {Count::sent, Count::missed});
  text.line("seed", fmt::format("{}; udpblast verify needs it, and --count {}", result.seed,
                                result.totals[Count::planned]));
}

void add_verify(Text& text, const RunResult& result, const Options& options) {
  const Totals& totals = result.totals;
  text.line("expected", grouped(totals[Count::sent]));
  text.line("arrived",
            fmt::format("{}, {} {}", grouped(result.replied()), grouped(totals[Count::right]),
                        options.check ? "right" : "not checked for content"));
  text.line("lost", fmt::format("{} ({:.5f} %): {} missing, {} busy", grouped(totals.lost()),
                                100 * totals.loss(), grouped(totals[Count::timed_out]),
                                grouped(totals[Count::busy])));
  text.line("throughput", fmt::format("{:.0f} messages/s for {:.3f} s",
                                      result.messages_per_second(), result.seconds));
  text.ledger("ledger", totals, Count::packets_in,
              {Count::right, Count::wrong, Count::busy, Count::duplicate, Count::unknown,
               Count::malformed});
}

std::string_view verdict(const RunResult& result, const Options& options) {
  if (exit_code(result, options) != ExitCode::all_right) return "NOT all right";
  if (options.part == Part::send) return "all sent";
  return options.check ? "all right: every reply was checked" : "all answered";
}

}  // namespace

std::string text_report(const RunResult& result, const Options& options) {
  Text text;
  text.plain(fmt::format("{} at {}", result.title, options.server_text()));
  switch (options.part) {
    case Part::both:
      add_whole(text, result, options);
      break;
    case Part::send:
      add_send(text, result, options);
      break;
    case Part::verify:
      add_verify(text, result, options);
      break;
  }
  if (result.interrupted) text.plain("ended early by a signal");
  for (const std::string& problem : problems(result, options)) text.plain(problem);
  text.plain(verdict(result, options));
  return text.end();
}

}  // namespace cpss::udpblast
