// How long a lane may wait at most before it looks again.
#pragma once

#include <chrono>
#include <optional>

#include "queue/platform.h"

namespace cpss {

// None: until it is woken. Where processes share the queues there is a limit, because a process
// that is killed may take a wake-up with it.
using LongestWait = std::optional<std::chrono::milliseconds>;
inline constexpr std::chrono::milliseconds kSharedWait{100};

// Max wait for room in a socket. After it the lane tries that socket again, and others that may
// have got room, and ends replies that have waited too long. It is short for two reasons: the wait
// also holds up replies by other sockets or to other peers; and the kernel reports room only when
// half of the buffer is free, although it accepts datagrams as long as any of it is
// (sock_writeable()).
inline constexpr std::chrono::milliseconds kLongestForRoom{1};

// Whether a lane may wait for the messages of a queue: false while it could not take one.
class WaitCondition {
 public:
  virtual ~WaitCondition() = default;
  virtual bool holds() const noexcept = 0;
};

inline Deadline deadline_after(LongestWait longest) noexcept {
  return longest ? std::chrono::steady_clock::now() + *longest : kNoDeadline;
}

}  // namespace cpss
