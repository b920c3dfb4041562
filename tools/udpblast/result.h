// The result of a run, the verdict on it, and its reports.
//
// Plain values and pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/udpblast/loop.h"
#include "tools/udpblast/loss_places.h"
#include "tools/udpblast/options.h"
#include "tools/udpblast/tally.h"

namespace cpss::udpblast {

// How well an open loop kept to its plan. It kept the plan, and so its figures belong to the load
// that was asked for, if 99 % of the messages were sent at most allowed_lag_ns late and at least
// kMinAchieved of the rate was achieved.
struct ScheduleQuality {
  double asked_per_s = 0;
  double achieved_ratio = 0;  // of the rate; 1: all planned messages, in the planned time
  std::uint64_t allowed_lag_ns = 0;
  bool kept = false;
};

inline constexpr double kMinAchieved = 0.99;
// 1 ms, enough for the scheduler of a machine that is not overloaded; for bursts, which take a
// while to send, a tenth of the time between them if that is more.
std::uint64_t allowed_lag_ns(const Options& options);
// How long the planned messages should have taken to send.
double planned_s(const Options& options, const Totals& totals);
// `sending_s`: how long they took, at least planned_s().
ScheduleQuality judge_schedule(const Options& options, const Totals& totals, double sending_s);

struct RunResult {
  std::string title;  // of the workload
  Totals totals;
  FirstFindings findings;
  CpuTime cpu;             // of the threads that sent and received
  double seconds = 0;      // from the start to the last datagram that arrived
  double sending_s = 0;    // from the start to the last send; in an open loop at least as planned
  std::uint64_t seed = 0;  // of `send` and `verify`
  std::vector<std::string> classes;         // names of the classes that totals.classes begins with
  std::optional<ScheduleQuality> schedule;  // open loop
  std::optional<LossReport> loss;           // if the server's region can be read
  bool interrupted = false;                 // by a signal
  bool gave_up = false;                     // the server was silent for too long

  std::uint64_t replied() const noexcept { return totals[Count::right] + totals[Count::wrong]; }
  double messages_per_second() const noexcept {
    return seconds > 0 ? static_cast<double>(replied()) / seconds : 0;
  }
  double sent_per_second() const noexcept {
    return sending_s > 0 ? static_cast<double>(totals[Count::sent]) / sending_s : 0;
  }
  double cpu_us_per_message() const noexcept;  // 0 if nothing was sent
};

enum class ExitCode : int { all_right = 0, not_right = 1, could_not_run = 2 };

ExitCode exit_code(const RunResult& result, const Options& options);

// A line for each kind of problem, with its first case and, if there is something to do, what to
// do; empty if all was right.
std::vector<std::string> problems(const RunResult& result, const Options& options);

// The report for a person, in text_report.cpp: several lines, the verdict last.
std::string text_report(const RunResult& result, const Options& options);

// The report for programs, in json_report.cpp: one JSON object on one line; docs/udpblast.md names
// its keys.
std::string json_report(const RunResult& result, const Options& options);

}  // namespace cpss::udpblast
