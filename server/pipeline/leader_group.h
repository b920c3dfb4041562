// The lanes that listen one at a time: their token (queue/leader_token.h), and the start of lanes.
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
  // `start_lane` may throw exceptions derived from std::exception, and must not wait for long.
  // Throws std::system_error.
  LeaderGroup(const PipelineOptions& options, std::function<void(std::uint32_t lane)> start_lane);
  ~LeaderGroup();
  LeaderGroup(const LeaderGroup&) = delete;
  LeaderGroup& operator=(const LeaderGroup&) = delete;

  const LeaderSeat& seat(std::uint32_t lane) const noexcept { return seats_[lane]; }
  int event(std::uint32_t lane) const noexcept { return events_[lane]; }

  // Called by the main thread several times a second. Takes the token away from a lane that does
  // not wake up. Starts a lane where one could not be started before and all others are busy, but
  // not after start_no_more(). `stats`: of the main thread's block; `scoreboard`: there it reports
  // for a lane that it cannot start.
  void relieve(StatsWriter& stats, Scoreboard& scoreboard) noexcept;
  // Called by the main thread. True: from now on no lane begins to start another one. False: a lane
  // is at it; ask again.
  bool start_no_more() noexcept;

 private:
  int start(std::uint32_t lane) noexcept;
  // The caller has the mutex.
  bool may_try() const noexcept;
  int try_start(std::uint32_t lane) noexcept;
  // For the case that all lanes are inside messages for long, and none of them starts another one.
  void start_again(StatsWriter& stats, Scoreboard& scoreboard) noexcept;

  std::function<void(std::uint32_t lane)> start_lane_;
  std::vector<int> events_;
  LeaderToken token_;
  std::vector<LeaderSeat> seats_;
  // Guards starts, and may_start_. Held across the join of a thread that has closed its seat, and
  // the start of the next: another lane may be about to start the same one once more. A lane that
  // holds it may stand still, if others have its CPU: so main only tries to lock it.
  PriorityMutex mutex_;
  bool may_start_ = true;  // written by main, with the mutex
  Backoff failures_;       // of starts
  std::chrono::steady_clock::time_point next_relief_{};
};

}  // namespace cpss
