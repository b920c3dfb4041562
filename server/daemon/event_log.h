// Turns the events that lanes report into log lines, at most one a second for each kind, with the
// number of events left out. Main thread.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include "server/pipeline/scoreboard.h"

namespace cpss {

class EventLog {
 public:
  using Clock = std::chrono::steady_clock;

  // Takes the events that lanes have reported since the last call.
  void collect(Scoreboard& scoreboard, Clock::time_point now);
  // Called at the end of the server: writes the lines that the limit has held back.
  void flush();

 private:
  struct Line {
    std::uint64_t held_back = 0;  // events since the line was last written
    std::string last;
    Clock::time_point written{};
  };
  static void write_if_due(Line& line, Clock::time_point now);
  static void write(Line& line);

  std::array<Line, 7> lines_;  // by EventKind
  Line lost_line_;             // events that did not fit into their lane's ring
  std::uint64_t lost_ = 0;
};

}  // namespace cpss
