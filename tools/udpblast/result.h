// What a run came to, and the verdict on it.
//
// Plain values, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/udpblast/blast_loop.h"
#include "tools/udpblast/finding.h"
#include "tools/udpblast/options.h"
#include "tools/udpblast/tally.h"

namespace cpss::udpblast {

struct RunResult {
  std::string title;  // of the workload
  Totals totals;
  FirstFindings findings;
  CpuTime cpu;               // of the threads that sent and received
  double seconds = 0;        // from the start to the last datagram that arrived
  bool interrupted = false;  // by a signal
  bool gave_up = false;      // the server was silent for too long

  std::uint64_t replied() const noexcept { return totals[Count::right] + totals[Count::wrong]; }
  double messages_per_second() const noexcept {
    return seconds > 0 ? static_cast<double>(replied()) / seconds : 0;
  }
  double cpu_us_per_message() const noexcept;  // 0 where nothing was sent
};

enum class ExitCode : int { all_right = 0, not_right = 1, could_not_run = 2 };

ExitCode exit_code(const RunResult& result, const Options& options);

// Everything that was not as it should be, a line each, with the first case of it and, where there
// is something to do, what to do; empty where all was right.
std::vector<std::string> problems(const RunResult& result, const Options& options);

}  // namespace cpss::udpblast
