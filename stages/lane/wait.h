// How long a lane may wait at most before it looks again.
#pragma once

#include <chrono>
#include <optional>

#include "queue/platform.h"

namespace cpss {

// None: until it is woken. Where queues are shared by processes there is one, because a process
// that is killed may take a wake-up with it.
using LongestWait = std::optional<std::chrono::milliseconds>;
inline constexpr std::chrono::milliseconds kSharedWait{100};

// Of a wait for room in a socket before it, and others that may have got room, are tried again, and
// replies that have waited for long enough are ended. Short, since it also holds up what could go
// by other sockets or to other peers; and the kernel says that there is room only when half of the
// buffer is free, although it takes datagrams as long as any of it is (sock_writeable()).
inline constexpr std::chrono::milliseconds kLongestForRoom{1};

inline Deadline deadline_after(LongestWait longest) noexcept {
  return longest ? std::chrono::steady_clock::now() + *longest : kNoDeadline;
}

}  // namespace cpss
