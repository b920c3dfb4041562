// What a lane does when the kernel refuses it a wait for descriptors (epoll_wait(2), poll(2): no
// memory for it, a descriptor that is none any more): the lane goes on by looking, after a pause of
// 1 ms that grows to 10 ms. So it still serves, and costs next to nothing. The pause ends early for
// the stop event, where at least waiting for that works.
//
// One of each per lane, called by its thread alone.
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

  // `ready`: what a wait has returned, just now. Where it failed, pauses and returns true; a signal
  // (EINTR) is no failure.
  bool pause_after(int ready) noexcept;
  // Whether the stop event was seen in a pause.
  bool saw_stop() const noexcept { return saw_stop_; }

 private:
  LaneContext& lane_;
  StatsWriter stats_;
  int stop_event_;
  bool saw_stop_ = false;
  Backoff failures_{std::chrono::milliseconds(1), std::chrono::milliseconds(10)};
};

}  // namespace cpss
