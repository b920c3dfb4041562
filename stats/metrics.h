// The one list of everything a server measures. It defines the enumerations the stages use, the
// self-description of the stats region, getstat's output and docs/counters.md.
//
// All counters are unsigned 64-bit, cumulative and never reset; every (lane, stage) block has each
// of them and exactly one writer. A reader adds blocks up.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cpss {

// The stage whose time or messages a block of values describes; `server` is the main thread.
enum class StageId : std::uint8_t { receive, service, worker, on_demand, response, server };
inline constexpr std::array<std::string_view, 6> kStageNames = {"receive",   "service",  "worker",
                                                                "on_demand", "response", "server"};
constexpr std::string_view name_of(StageId stage) {
  return kStageNames[static_cast<std::size_t>(stage)];
}

// How a message ended, whether or not bytes were sent for it.
enum class Outcome : std::uint8_t { answered, no_answer, invalid, refused, shed, failed };
inline constexpr std::array<std::string_view, 6> kOutcomeNames = {
    "answered", "no_answer", "invalid", "refused", "shed", "failed"};
constexpr std::string_view name_of(Outcome outcome) {
  return kOutcomeNames[static_cast<std::size_t>(outcome)];
}

// Why a message ended. Each reason belongs to one outcome and is a counter of its own; an outcome
// is the sum of its reasons.
enum class Reason : std::uint8_t {
  answered,
  no_answer,
  invalid_empty,
  invalid_truncated,
  invalid_too_short,
  invalid_bad_magic,
  invalid_bad_version,
  invalid_wrong_direction,
  invalid_malformed,
  refused_source_port_zero,
  refused_own_address,
  refused_service_port,
  refused_not_allowed,
  refused_group_address,
  refused_by_service,
  shed_no_slot,
  shed_worker_queue_full,
  failed_service_threw,
  failed_no_verdict,
  failed_reply_too_long,
  failed_deferred_twice,
  failed_send_refused,
  failed_send_unreachable,
  failed_send_too_large,
  failed_send_not_permitted,
  failed_send_no_memory,
  failed_send_no_room,
  failed_send_other,
  failed_control_cut,
  failed_stale_slot,
  failed_dead_process,
  failed_forced_end,
};

struct ReasonInfo {
  Reason id;
  Outcome outcome;
  std::string_view name;
  std::string_view help;
};

inline constexpr auto kReasons = std::to_array<ReasonInfo>({
    {Reason::answered, Outcome::answered, "answered", "the kernel accepted the service's reply"},
    {Reason::no_answer, Outcome::no_answer, "no_answer", "the service chose silence"},
    {Reason::invalid_empty, Outcome::invalid, "empty", "a datagram without a byte"},
    {Reason::invalid_truncated, Outcome::invalid, "truncated", "larger than CPSS_MSGSIZE"},
    {Reason::invalid_too_short, Outcome::invalid, "too_short", "shorter than the header"},
    {Reason::invalid_bad_magic, Outcome::invalid, "bad_magic", "not the service's protocol"},
    {Reason::invalid_bad_version, Outcome::invalid, "bad_version", "a version not spoken here"},
    {Reason::invalid_wrong_direction, Outcome::invalid, "wrong_direction",
     "a reply sent as a request"},
    {Reason::invalid_malformed, Outcome::invalid, "malformed", "otherwise not a request"},
    {Reason::refused_source_port_zero, Outcome::refused, "source_port_zero",
     "cannot be answered: source port 0"},
    {Reason::refused_own_address, Outcome::refused, "own_address",
     "claims to come from an address and port of this server"},
    {Reason::refused_service_port, Outcome::refused, "service_port",
     "comes from a port of another reflecting service"},
    {Reason::refused_not_allowed, Outcome::refused, "not_allowed", "peer not in CPSS_ALLOW"},
    {Reason::refused_group_address, Outcome::refused, "group_address",
     "from or to a broadcast, multicast or unspecified address"},
    {Reason::refused_by_service, Outcome::refused, "by_service", "policy of the service"},
    {Reason::shed_no_slot, Outcome::shed, "no_slot",
     "every slot was taken (CPSS_OVERLOAD=shed), answered busy or not at all"},
    {Reason::shed_worker_queue_full, Outcome::shed, "worker_queue_full",
     "the worker queue was full (CPSS_OVERLOAD=shed), answered busy or not at all"},
    {Reason::failed_service_threw, Outcome::failed, "service_threw", "the service threw"},
    {Reason::failed_no_verdict, Outcome::failed, "no_verdict", "the service gave no verdict"},
    {Reason::failed_reply_too_long, Outcome::failed, "reply_too_long",
     "the service's reply exceeds its limit"},
    {Reason::failed_deferred_twice, Outcome::failed, "deferred_twice",
     "the service deferred a deferred message"},
    {Reason::failed_send_refused, Outcome::failed, "send_refused", "send: ECONNREFUSED"},
    {Reason::failed_send_unreachable, Outcome::failed, "send_unreachable",
     "send: network or host unreachable or down"},
    {Reason::failed_send_too_large, Outcome::failed, "send_too_large", "send: EMSGSIZE"},
    {Reason::failed_send_not_permitted, Outcome::failed, "send_not_permitted",
     "send: EPERM or EACCES (a packet filter)"},
    {Reason::failed_send_no_memory, Outcome::failed, "send_no_memory", "send: ENOBUFS or ENOMEM"},
    {Reason::failed_send_no_room, Outcome::failed, "send_no_room",
     "no room in the socket's send buffer for as long as CPSS_SEND_WAIT_MS says"},
    {Reason::failed_send_other, Outcome::failed, "send_other", "send: any other error"},
    {Reason::failed_control_cut, Outcome::failed, "control_cut",
     "where it was sent to is not known: control data of the receive were cut (MSG_CTRUNC)"},
    {Reason::failed_stale_slot, Outcome::failed, "stale_slot",
     "a slot handed on after it was given back (a defect: must stay 0)"},
    {Reason::failed_dead_process, Outcome::failed, "dead_process", "inside a process that died"},
    {Reason::failed_forced_end, Outcome::failed, "forced_end",
     "inside when the server was forced to end"},
});

constexpr std::string_view name_of(Reason reason) {
  return kReasons[static_cast<std::size_t>(reason)].name;
}

enum class Counter : std::uint8_t {
  received,
  filled,
  given_back,
  entered,
  forwarded,
  completed,
  sent,
  kernel_dropped,
  busy_ns,
  step_ns,
  batches,
  queue_wait_ns,
  deferred,
  deferred_in_place,
  busy_replies,
  threads_started,
  threads_ended,
  thread_start_errors,
  processes_started,
  processes_lost,
  receive_errors,
  wait_errors,
  lost_races,
  handoffs,
  syscalls,
  wait_calls,
  syscall_ns,
  sem_waits,
  sem_wait_ns,
  futex_wakes,
  slot_wait_ns,
  log_lines_lost,
};

struct MetricInfo {
  std::string_view name;
  std::string_view unit;
  std::string_view help;
};

struct CounterInfo {
  Counter id;
  MetricInfo info;
};

inline constexpr auto kCounters = std::to_array<CounterInfo>({
    {Counter::received, {"received", "datagrams", "taken from the kernel, before any decision"}},
    {Counter::filled, {"filled", "datagrams", "that entered the server's memory"}},
    {Counter::given_back, {"given_back", "datagrams", "that left the server's memory"}},
    {Counter::entered, {"entered", "messages", "taken into the stage"}},
    {Counter::forwarded, {"forwarded", "messages", "handed on to the next stage"}},
    {Counter::completed, {"completed", "messages", "ended in the stage, for whatever reason"}},
    {Counter::sent, {"sent", "datagrams", "accepted by the kernel"}},
    {Counter::kernel_dropped,
     {"kernel_dropped", "datagrams",
      "dropped by the kernel at our sockets (SO_MEMINFO), and what they still held at a forced "
      "end"}},
    {Counter::busy_ns, {"busy_ns", "ns", "spent inside the stage's step with work in hand"}},
    {Counter::step_ns,
     {"step_ns", "ns", "spent by messages in the step, each for its whole batch, added up"}},
    {Counter::batches, {"batches", "batches", "processed by the stage"}},
    {Counter::queue_wait_ns,
     {"queue_wait_ns", "ns", "spent by messages in the queue before the stage, added up"}},
    {Counter::deferred, {"deferred", "messages", "handed to the worker queue, part of forwarded"}},
    {Counter::deferred_in_place,
     {"deferred_in_place", "messages", "deferred and, without workers, processed in place"}},
    {Counter::busy_replies,
     {"busy_replies", "datagrams", "accepted by the kernel for messages that were shed"}},
    {Counter::threads_started, {"threads_started", "threads", "transient ones, since the start"}},
    {Counter::threads_ended, {"threads_ended", "threads", "transient ones, since the start"}},
    {Counter::thread_start_errors,
     {"thread_start_errors", "errors", "of starting a transient thread"}},
    {Counter::processes_started, {"processes_started", "processes", "since the start"}},
    {Counter::processes_lost, {"processes_lost", "processes", "that ended without being told to"}},
    {Counter::receive_errors,
     {"receive_errors", "errors", "of the receive call, charged to no message"}},
    {Counter::wait_errors, {"wait_errors", "errors", "of calls to wait for sockets"}},
    {Counter::lost_races,
     {"lost_races", "wake-ups",
      "for a socket that another lane had emptied; of more than 320 waits a second by proportion"}},
    {Counter::handoffs, {"handoffs", "hand-offs", "a lane made another one the leader"}},
    {Counter::syscalls, {"syscalls", "calls", "to send, receive or wait for sockets"}},
    {Counter::wait_calls, {"wait_calls", "calls", "to wait for sockets, part of syscalls"}},
    {Counter::syscall_ns, {"syscall_ns", "ns", "spent in syscalls other than wait_calls"}},
    {Counter::sem_waits,
     {"sem_waits", "waits", "for a semaphore that had no token, until it had one or was closed"}},
    {Counter::sem_wait_ns, {"sem_wait_ns", "ns", "spent in those waits"}},
    {Counter::futex_wakes, {"futex_wakes", "calls", "that woke a waiting lane"}},
    {Counter::slot_wait_ns, {"slot_wait_ns", "ns", "spent waiting for a free slot"}},
    {Counter::log_lines_lost,
     {"log_lines_lost", "errors",
      "lines of the log that nobody read or that could not be written"}},
});

// How much a lane records of its work in a stage.
enum class Detail : std::uint8_t {
  essential,   // counters that the ledger's identities use (stats/ledger.h), reasons, gauges
  counters,    // all counters and gauges
  histograms,  // everything
};

// Counters that are kept at every level of detail, as all reasons are.
constexpr bool is_essential(Counter counter) noexcept {
  switch (counter) {
    case Counter::received:
    case Counter::filled:
    case Counter::given_back:
    case Counter::entered:
    case Counter::forwarded:
    case Counter::completed:
    case Counter::sent:
    case Counter::kernel_dropped:
    case Counter::deferred:
    case Counter::busy_replies:
      return true;
    default:
      return false;
  }
}

// A gauge's value over all blocks is their largest (Merge::max) or their sum.
enum class Merge : std::uint8_t { sum, max };
enum class Gauge : std::uint8_t {
  queue_high_water,
  worker_queue_high_water,
  threads_now,
  threads_max
};

struct GaugeInfo {
  Gauge id;
  Merge merge;
  MetricInfo info;
};

inline constexpr auto kGauges = std::to_array<GaugeInfo>({
    {Gauge::queue_high_water,
     Merge::max,
     {"queue_high_water", "messages",
      "most that were ever ready at once in the queue that feeds the next stage"}},
    {Gauge::worker_queue_high_water,
     Merge::max,
     {"worker_queue_high_water", "messages",
      "most that were ever ready at once in the queue that feeds the workers"}},
    {Gauge::threads_now, Merge::sum, {"threads_now", "threads", "transient ones that run now"}},
    {Gauge::threads_max,
     Merge::max,
     {"threads_max", "threads", "transient ones that ever ran at once"}},
});

enum class HistogramId : std::uint8_t { wait_ns, service_ns, cost_ns, batch };

struct HistogramInfo {
  HistogramId id;
  MetricInfo info;
};

inline constexpr auto kHistograms = std::to_array<HistogramInfo>({
    {HistogramId::wait_ns,
     {"wait_ns", "ns", "from published by the stage before to taken, a message"}},
    {HistogramId::service_ns, {"service_ns", "ns", "a message's batch spent in the step"}},
    {HistogramId::cost_ns, {"cost_ns", "ns", "service_ns divided by the messages of the batch"}},
    {HistogramId::batch, {"batch", "messages", "in one batch"}},
});

// A table with a missing row, or in another order than its enumeration, does not compile.
template <class Table>
constexpr bool rows_match_ids(const Table& table) {
  for (std::size_t i = 0; i < table.size(); ++i)
    if (static_cast<std::size_t>(table[i].id) != i) return false;
  return true;
}
static_assert(kReasons.size() == static_cast<std::size_t>(Reason::failed_forced_end) + 1);
static_assert(kCounters.size() == static_cast<std::size_t>(Counter::log_lines_lost) + 1);
static_assert(kGauges.size() == static_cast<std::size_t>(Gauge::threads_max) + 1);
static_assert(kHistograms.size() == static_cast<std::size_t>(HistogramId::batch) + 1);
static_assert(rows_match_ids(kReasons) && rows_match_ids(kCounters) && rows_match_ids(kGauges) &&
              rows_match_ids(kHistograms));

}  // namespace cpss
