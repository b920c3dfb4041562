// The lanes that listen one at a time: their turn (queue/listener_turn.h), and who starts them.
//
// Made and destroyed by the main thread, around the life of the lanes.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "queue/listener_turn.h"
#include "server/pipeline_options.h"
#include "server/priority_mutex.h"
#include "stages/backoff.h"
#include "stages/handoff.h"
#include "stats/writer.h"

namespace cpss {

class Turns {
 public:
  // `start_lane` may throw std::system_error. Throws std::system_error.
  Turns(const PipelineOptions& options, std::function<void(std::uint32_t lane)> start_lane);
  ~Turns();
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;

  const TurnSeat& seat(std::uint32_t lane) const noexcept { return seats_[lane]; }
  int event(std::uint32_t lane) const noexcept { return events_[lane]; }

  // For the main thread, several times a second: takes the turn away from a lane that does not wake
  // up; not any more once none is started. `stats`: of the main thread's block.
  void relieve(StatsWriter& stats) noexcept;
  // From its return on no lane starts another one. Main thread.
  void start_no_more();

 private:
  int start(std::uint32_t lane) noexcept;

  std::function<void(std::uint32_t lane)> start_lane_;
  std::vector<int> events_;
  ListenerTurn turn_;
  std::vector<TurnSeat> seats_;
  // Only for starting, and for the end of that. Held across the join of a thread that has closed
  // its seat, and the start of the next: another lane may be about to start the same once more.
  PriorityMutex mutex_;
  bool may_start_ = true;
  Backoff failures_;  // of starts
  std::chrono::steady_clock::time_point next_relief_{};
};

}  // namespace cpss
