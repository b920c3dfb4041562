// What a lane does when the kernel refuses a wait for descriptors (epoll_wait(2), poll(2)), because
// it has no memory or a descriptor is no longer valid: the lane pauses, 1 ms at first and at most
// 10 ms, and then looks for work. So it still serves, and costs next to nothing. The stop event
// ends the pause early, if at least the wait for that event works.
//
// One object per wait place, called by the lane's thread alone.
#pragma once

#include <chrono>

#include "stages/lane/backoff.h"
#include "stages/lane/lane_context.h"
#include "stats/writer.h"

namespace cpss {

class FailedWaits {
 public:
  // `stop_event`: as in ReceiveWait.
  FailedWaits(LaneContext& lane, StatsWriter stats, int stop_event) noexcept
      : lane_(lane), stats_(stats), stop_event_(stop_event) {}

  // `ready`: the result of a wait that has just returned; errno is still its own. If the wait
  // failed, pauses and returns true; a signal (EINTR) is no failure.
  bool pause_after(int ready) noexcept;
  // Whether a pause saw the stop event.
  bool saw_stop() const noexcept { return saw_stop_; }

 private:
  LaneContext& lane_;
  StatsWriter stats_;
  int stop_event_;
  bool saw_stop_ = false;
  Backoff failures_{std::chrono::milliseconds(1), std::chrono::milliseconds(10)};
};

}  // namespace cpss
