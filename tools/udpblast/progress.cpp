#include "tools/udpblast/progress.h"

#include <algorithm>
#include <exception>
#include <limits>

#include <fmt/format.h>
#include <unistd.h>

#include "base/standard_error.h"
#include "tools/udpblast/transactions.h"

namespace cpss::udpblast {
namespace {

constexpr std::uint64_t kStatusEveryNs = 500'000'000;
constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
constexpr const char* kClearLine = "\r\x1b[K";

double seconds(std::uint64_t ns) {
  return static_cast<double>(ns) / 1e9;
}

std::uint64_t replied(const Totals& totals) {
  return totals[Count::right] + totals[Count::wrong] + totals[Count::busy];
}

// The messages that count as progress: those replied, or for `send`, which reads no replies, those
// sent.
std::uint64_t moved(const Totals& totals, Part part) {
  return part == Part::send ? totals[Count::sent] : replied(totals);
}

// The latencies of one interval. Their max is not known, only its bucket.
HistogramSnapshot difference(const HistogramSnapshot& later, const HistogramSnapshot& earlier) {
  HistogramSnapshot result = later;
  result.max = kNever;
  for (std::size_t i = 0; i < earlier.buckets.size(); ++i) result.buckets[i] -= earlier.buckets[i];
  return result;
}

}  // namespace

void say(const std::string& text) noexcept {
  try {
    AsyncWriter& writer = standard_error();
    if (const std::uint64_t lost = writer.take_losses(); lost > 0)
      writer.put(fmt::format("udpblast: lines that are lost here: {} (nobody read them)\n", lost));
    writer.put(text);
  } catch (const std::exception&) {  // no memory, no thread to be had
    say_at_once(text);
  }
}

void say_for_now(const std::string& text) noexcept {
  try {
    if (standard_error().idle()) standard_error().put(text);
  } catch (const std::exception&) {
    return;  // no memory, no thread to be had: the next one may say more
  }
}

Progress::Progress(const Options& options, std::uint64_t messages, std::uint64_t start_ns)
    : options_(options),
      messages_(messages),
      start_ns_(start_ns),
      terminal_(::isatty(STDERR_FILENO) == 1),
      next_status_ns_(terminal_ ? start_ns + kStatusEveryNs : kNever),
      status_ns_(start_ns),
      interval_ns_(start_ns) {
  if (options.interval_ns) next_interval_ns_ = start_ns + *options.interval_ns;
}

int Progress::due_in_ms(std::uint64_t now_ns) const noexcept {
  const std::uint64_t due_ns = std::min(next_status_ns_, next_interval_ns_.value_or(kNever));
  if (due_ns == kNever) return -1;
  if (due_ns <= now_ns) return 0;
  constexpr std::uint64_t kMaxMs = 1'000'000;
  return static_cast<int>(std::min(kMaxMs, (due_ns - now_ns) / 1'000'000 + 1));
}

void Progress::show(std::uint64_t now_ns, const std::function<Totals()>& read) {
  const bool interval_due = next_interval_ns_ && now_ns >= *next_interval_ns_;
  const bool status_due = now_ns >= next_status_ns_;
  if (!interval_due && !status_due) return;
  Totals totals = read();
  if (interval_due) {
    say((terminal_ ? kClearLine : "") + interval_line(now_ns, totals) + '\n');
    // A late interval does not make the next one short or come twice.
    while (*next_interval_ns_ <= now_ns) *next_interval_ns_ += *options_.interval_ns;
    interval_ns_ = now_ns;
    at_interval_ = totals;
  }
  if (status_due) {
    say_for_now(kClearLine + status_line(now_ns, totals));
    next_status_ns_ = now_ns + kStatusEveryNs;
    status_ns_ = now_ns;
    status_moved_ = moved(totals, options_.part);
  }
}

void Progress::end() {
  if (!terminal_) return;
  say(kClearLine);
}

std::string Progress::status_line(std::uint64_t now_ns, const Totals& totals) const {
  const double elapsed_s = seconds(now_ns > start_ns_ ? now_ns - start_ns_ : 0);
  const std::uint64_t messages = moved(totals, options_.part);
  const double rate = static_cast<double>(messages - status_moved_) / seconds(now_ns - status_ns_);
  double done = 0;
  if (messages_ < kMaxMessages)
    done = static_cast<double>(std::max(totals[Count::sent], messages)) /
           static_cast<double>(messages_);
  if (options_.run_ns) done = std::max(done, elapsed_s / seconds(*options_.run_ns));
  done = std::min(done, 1.0);
  const std::string left =
      done > 0 ? fmt::format("{:.0f} s left", elapsed_s / done - elapsed_s) : "";
  return fmt::format("{:3.0f} %  {} messages  {:.0f}/s  {} lost  {}", 100 * done, messages, rate,
                     totals.lost(), left);
}

std::string Progress::interval_line(std::uint64_t now_ns, const Totals& totals) const {
  const auto since = [&](Count count) { return totals[count] - at_interval_[count]; };
  const std::uint64_t answers = replied(totals) - replied(at_interval_);
  if (options_.part == Part::send)
    return fmt::format("{:8.1f} s  sent {}  missed {}", seconds(now_ns - start_ns_),
                       since(Count::sent), since(Count::missed));
  const HistogramSnapshot latency = difference(totals.latency, at_interval_.latency);
  const auto us = [&](double share) {
    return latency.count() == 0
               ? std::string("none")
               : fmt::format("{:.0f} us", static_cast<double>(latency.percentile(share)) / 1e3);
  };
  return fmt::format("{:8.1f} s  sent {}  replied {}  {:.0f}/s  lost {}  wrong {}  p50 {}  p99 {}",
                     seconds(now_ns - start_ns_), since(Count::sent), answers,
                     static_cast<double>(answers) / seconds(now_ns - interval_ns_),
                     totals.lost() - at_interval_.lost(), since(Count::wrong), us(0.5), us(0.99));
}

}  // namespace cpss::udpblast
