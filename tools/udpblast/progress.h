// What the user is told on standard error: errors and remarks (say()), and the progress of a run.
// base/standard_error.h writes it.
//
// One thread, the main one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "tools/udpblast/options.h"
#include "tools/udpblast/tally.h"

namespace cpss::udpblast {

// Tells the user something, during a run or instead of one. Never waits for it to be read: text
// that a stopped terminal, or a pipe that no process reads, does not take is lost, and the run goes
// on.
void say(const std::string& text) noexcept;
// For text that is worth nothing a moment later: drops it while other text waits to be written.
void say_for_now(const std::string& text) noexcept;

// The progress of a run: on a terminal one line that is written over and over, and, with -S, a line
// for each interval.
class Progress {
 public:
  // `messages`: of the whole run. Times are monotonic_ns().
  Progress(const Options& options, std::uint64_t messages, std::uint64_t start_ns);

  // For poll(2): milliseconds until a line is due; -1: never.
  int due_in_ms(std::uint64_t now_ns) const noexcept;

  // Writes the lines that are due; calls `read` only if there is one.
  void show(std::uint64_t now_ns, const std::function<Totals()>& read);

  // Clears the line on the terminal.
  void end();

 private:
  std::string status_line(std::uint64_t now_ns, const Totals& totals) const;
  std::string interval_line(std::uint64_t now_ns, const Totals& totals) const;

  const Options& options_;
  std::uint64_t messages_;
  std::uint64_t start_ns_;
  bool terminal_;
  std::uint64_t next_status_ns_;
  std::optional<std::uint64_t> next_interval_ns_;
  std::uint64_t status_ns_;  // when the last status line was written
  std::uint64_t status_moved_ = 0;
  std::uint64_t interval_ns_;  // when the last interval ended
  Totals at_interval_;         // the counters then
};

}  // namespace cpss::udpblast
