// The sockets of a receive lane whose reads fail. Each is left alone for a while (backoff.h), 1 ms
// at first, since an error that was pending at a socket is mostly gone, and at most 1 s: the lane
// goes on with the others, and need not be woken for this one.
//
// One object per lane, used by its thread alone. Sockets are named by their place in the lane's
// list. While no socket fails, no call reads the clock.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

#include "base/clock.h"
#include "queue/platform.h"
#include "stages/lane/backoff.h"
#include "stages/lane/troubles.h"

namespace cpss {

class FailingSockets {
 public:
  // `troubles`: the lane's, which show that a socket fails.
  FailingSockets(std::size_t sockets, LaneTroubles& troubles)
      : pauses_(sockets, Backoff(std::chrono::milliseconds(1))), troubles_(troubles) {}

  bool any() const noexcept { return failing_ > 0; }
  bool fails(std::size_t socket) const noexcept { return pauses_[socket].failing(); }
  // Whether to leave the socket alone now.
  bool pauses(std::size_t socket) const noexcept {
    return any() && !pauses_[socket].due(monotonic_ns());
  }
  // When the first failing socket is due for its next try; kNoDeadline if none fails.
  Deadline next_try() const noexcept {
    Deadline first = kNoDeadline;
    if (any())
      for (const Backoff& pause : pauses_)
        if (pause.failing()) first = std::min(first, pause.not_before());
    return first;
  }
  // All are due at once: the lane is to stop.
  void end_pauses() noexcept {
    for (Backoff& pause : pauses_) pause.end_pause();
  }

  // A read of the socket has failed with `error`, an errno, or gone well: 0.
  void note_read(std::size_t socket, int error) noexcept {
    if (error == 0 && !any()) return;
    Backoff& pause = pauses_[socket];
    if (error != 0) {
      if (!pause.failing()) ++failing_;
      pause.failed(monotonic_ns());
      troubles_.failed(Trouble::receive, error);
    } else if (pause.failing()) {
      pause.succeeded();
      if (--failing_ == 0) troubles_.over(Trouble::receive);
    }
  }

 private:
  std::vector<Backoff> pauses_;  // by socket
  std::size_t failing_ = 0;      // sockets
  LaneTroubles& troubles_;
};

}  // namespace cpss
