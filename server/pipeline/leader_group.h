// The lanes that listen one at a time: their token (queue/leader_token.h), and who starts them.
//
// Made and destroyed by the main thread, around the life of the lanes.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/priority_mutex.h"
#include "queue/leader_token.h"
#include "server/pipeline/pipeline_options.h"
#include "server/pipeline/scoreboard.h"
#include "stages/lane/backoff.h"
#include "stages/receive/leader.h"
#include "stats/writer.h"

namespace cpss {

class LeaderGroup {
 public:
  // `start_lane` may throw what is derived from std::exception, and waits for nothing for long.
  // Throws std::system_error.
  LeaderGroup(const PipelineOptions& options, std::function<void(std::uint32_t lane)> start_lane);
  ~LeaderGroup();
  LeaderGroup(const LeaderGroup&) = delete;
  LeaderGroup& operator=(const LeaderGroup&) = delete;

  const LeaderSeat& seat(std::uint32_t lane) const noexcept { return seats_[lane]; }
  int event(std::uint32_t lane) const noexcept { return events_[lane]; }

  // For the main thread, several times a second: takes the token away from a lane that does not
  // wake up, and starts a lane where one could not be started before and all others are busy; not
  // any more once none is to be started. `stats`: of the main thread's block; `scoreboard`: where
  // it speaks for a lane that it cannot start.
  void relieve(StatsWriter& stats, Scoreboard& scoreboard) noexcept;
  // From its return with true on no lane begins to start another one. False: one is at it; to be
  // asked again. Main thread.
  bool start_no_more() noexcept;

 private:
  int start(std::uint32_t lane) noexcept;
  // The caller has the mutex.
  bool may_try() const noexcept;
  int try_start(std::uint32_t lane) noexcept;
  // Where all lanes may be inside messages for long, and none comes by.
  void start_again(StatsWriter& stats, Scoreboard& scoreboard) noexcept;

  std::function<void(std::uint32_t lane)> start_lane_;
  std::vector<int> events_;
  LeaderToken token_;
  std::vector<LeaderSeat> seats_;
  // Only for starting, and for the end of that. Held across the join of a thread that has closed
  // its seat, and the start of the next: another lane may be about to start the same once more. Who
  // holds it may stand still, its CPU taken by others: so main only tries to lock it.
  PriorityMutex mutex_;
  bool may_start_ = true;  // written by main, with the mutex
  Backoff failures_;       // of starts
  std::chrono::steady_clock::time_point next_relief_{};
};

}  // namespace cpss
