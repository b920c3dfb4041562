// What a thread of a run counts, and the first case of each fault that it meets, in words.
//
// A Tally has one writer, and any thread may read it. Totals, its reading, says which identities
// must hold for the counters. Totals and FirstFindings are plain values, one thread at a time;
// FirstFindings allocates for the first case of a fault only. Times are in ns.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "stats/histogram.h"
#include "stats/snapshot.h"

namespace cpss::udpblast {

enum class Count : std::uint8_t {
  planned,
  sent,
  missed,
  right,
  wrong,
  busy,
  timed_out,
  outstanding,
  packets_in,
  late,
  late_busy,
  duplicate,
  unknown,
  malformed,
  connection_refused,
  send_errors,
  receive_errors,
  partial_sends,
  send_waits,
  send_calls,
  receive_calls,
  wait_calls,
  kernel_dropped,
};

struct CountInfo {
  Count id;
  std::string_view name;  // the key in JSON
  std::string_view help;
};

// docs/udpblast.md has the same table.
inline constexpr auto kCounts = std::to_array<CountInfo>({
    {Count::planned, "planned", "messages that were to be sent"},
    {Count::sent, "sent", "messages the kernel took"},
    {Count::missed, "missed", "messages that were not sent: no room for them, or no time left"},
    {Count::right, "right", "messages answered in time with the expected reply"},
    {Count::wrong, "wrong", "messages answered in time with another reply"},
    {Count::busy, "busy", "messages answered in time with \"busy\": shed by the server"},
    {Count::timed_out, "timed_out", "messages not answered in time"},
    {Count::outstanding, "outstanding", "messages under way when the run was cut short"},
    {Count::packets_in, "packets_in", "datagrams received"},
    {Count::late, "late", "first replies to messages that had timed out"},
    {Count::late_busy, "late_busy", "of those `late`, the ones that say \"busy\""},
    {Count::duplicate, "duplicate", "further replies to messages answered before"},
    {Count::unknown, "unknown", "replies with a transaction id that was never sent"},
    {Count::malformed, "malformed", "datagrams that are not a reply of the protocol"},
    {Count::connection_refused, "connection_refused",
     "times the system reported that nothing listens at the server's port (ICMP)"},
    {Count::send_errors, "send_errors", "other errors of a send; the message was sent again"},
    {Count::receive_errors, "receive_errors", "other errors of a receive, or of waiting for one"},
    {Count::partial_sends, "partial_sends", "sends of which the kernel took a part only"},
    {Count::send_waits, "send_waits", "times the kernel had no room for a message"},
    {Count::send_calls, "send_calls", "system calls to send"},
    {Count::receive_calls, "receive_calls", "system calls to receive"},
    {Count::wait_calls, "wait_calls", "system calls to wait for replies"},
    {Count::kernel_dropped, "kernel_dropped",
     "datagrams the kernel dropped at udpblast's own sockets (SO_MEMINFO)"},
});

constexpr bool counts_in_order() {
  for (std::size_t i = 0; i < kCounts.size(); ++i)
    if (static_cast<std::size_t>(kCounts[i].id) != i) return false;
  return kCounts.size() == static_cast<std::size_t>(Count::kernel_dropped) + 1;
}
static_assert(counts_in_order());

// Values with their sum, so that their mean is exact.
struct Latencies : HistogramSnapshot {
  std::uint64_t sum_ns = 0;

  double mean_ns() const noexcept;  // 0 if there are none
  void add(const Latencies& other);
};

// The counts of a class of messages (tools/udpblast/workload.h), if there are any.
inline constexpr std::size_t kMaxClasses = 2;
struct ClassTotals {
  std::uint64_t sent = 0;
  std::uint64_t answered = 0;  // in time, right or wrong
  Latencies latency;           // as Totals::latency

  std::uint64_t lost() const noexcept { return sent - answered; }
};

// Plain values: the counts of one thread, or of several added up.
struct Totals {
  std::array<std::uint64_t, kCounts.size()> counts{};
  Latencies latency;  // ns, of the messages answered in time; in an open loop also of those that
                      // timed out
  Latencies lag;      // ns, open loop: from when a message was planned to when it was sent
  std::array<ClassTotals, kMaxClasses> classes;

  std::uint64_t operator[](Count count) const noexcept {
    return counts[static_cast<std::size_t>(count)];
  }
  // Messages without an answer in time ("busy" is none): loss as --max-loss means it.
  std::uint64_t lost() const noexcept {
    return (*this)[Count::timed_out] + (*this)[Count::outstanding] + (*this)[Count::busy];
  }
  double loss() const noexcept;  // ratio; 0 if nothing was sent
  // The share of planned messages that were not sent, as --max-missed means it; 0 if none was
  // planned.
  double missed() const noexcept;

  // nullopt if all identities hold, or else one that does not, in words:
  //   planned = sent + missed
  //   sent = right + wrong + busy + timed_out + outstanding
  //   packets_in = right + wrong + busy + late + duplicate + unknown + malformed
  // imbalance_of_sending(), for a thread that only sends, checks the first alone.
  std::optional<std::string> imbalance() const;
  std::optional<std::string> imbalance_of_sending() const;

  void add(const Totals& other);
};

// The counters of one thread, which alone writes them. Any thread may read them meanwhile: every
// value is read whole, but values read while the run goes on need not fit each other. Relaxed
// throughout: the final reading is ordered by the thread's join.
class Tally {
 public:
  void add(Count count, std::uint64_t n = 1) noexcept {
    bump(counts_[static_cast<std::size_t>(count)], n);
  }
  void set(Count count, std::uint64_t value) noexcept {
    counts_[static_cast<std::size_t>(count)].store(value, std::memory_order_relaxed);
  }
  std::uint64_t operator[](Count count) const noexcept {
    return counts_[static_cast<std::size_t>(count)].load(std::memory_order_relaxed);
  }
  void record_latency(std::uint64_t ns) noexcept { latency_.record(ns); }
  void record_lag(std::uint64_t ns) noexcept { lag_.record(ns); }

  // For a message's class, besides the counts of all messages.
  void class_sent(std::size_t index) noexcept { bump(classes_[index].sent, 1); }
  void class_answered(std::size_t index) noexcept { bump(classes_[index].answered, 1); }
  void record_class_latency(std::size_t index, std::uint64_t ns) noexcept {
    classes_[index].latency.record(ns);
  }

  Totals read() const;

 private:
  using Value = std::atomic<std::uint64_t>;

  // One writer: its own last store is what it loads.
  static void bump(Value& value, std::uint64_t n) noexcept {
    value.store(value.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }

  class Histogram {
   public:
    void record(std::uint64_t ns) noexcept {
      bump(values_[histogram_bucket(ns)], 1);
      Value& largest = values_[kHistogramMax];
      if (ns > largest.load(std::memory_order_relaxed))
        largest.store(ns, std::memory_order_relaxed);
      bump(sum_ns_, ns);
    }
    Latencies read() const;

   private:
    std::array<Value, kHistogramValues> values_{};
    Value sum_ns_{0};
  };
  struct Class {
    Value sent{0};
    Value answered{0};
    Histogram latency;
  };

  std::array<Value, kCounts.size()> counts_{};
  Histogram latency_;
  Histogram lag_;
  std::array<Class, kMaxClasses> classes_;
};

// What can go wrong with a message, a reply or a system call.
enum class Fault : std::uint8_t {
  wrong,
  late,
  duplicate,
  unknown,
  malformed,
  busy,
  lost,
  send_error,
  receive_error,
};
inline constexpr std::size_t kFaults = static_cast<std::size_t>(Fault::receive_error) + 1;

struct Finding {
  std::uint64_t at_ns = 0;  // monotonic_ns()
  std::string text;
};

// The first case of each fault.
class FirstFindings {
 public:
  // `words` makes the text; called only if there is no finding of this kind yet.
  template <class Words>
  void note(Fault fault, std::uint64_t at_ns, Words&& words) {
    auto& finding = findings_[static_cast<std::size_t>(fault)];
    if (!finding) finding = Finding{at_ns, words()};
  }
  // Keeps the earlier finding of each kind.
  void merge(const FirstFindings& other) {
    for (std::size_t i = 0; i < kFaults; ++i) {
      const auto& theirs = other.findings_[i];
      if (theirs && (!findings_[i] || theirs->at_ns < findings_[i]->at_ns)) findings_[i] = theirs;
    }
  }
  const std::optional<Finding>& operator[](Fault fault) const noexcept {
    return findings_[static_cast<std::size_t>(fault)];
  }

 private:
  std::array<std::optional<Finding>, kFaults> findings_;
};

}  // namespace cpss::udpblast
