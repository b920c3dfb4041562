// Whether replies that do not leave fill a socket's send buffer: a flag for each socket of the
// server, for all lanes and processes.
//
// Raised by the main thread, which looks several times a second, or by a lane that found no room;
// lowered by the main thread. While it is down a lane pays one load a batch for it. Relaxed: the
// flag itself is all that is agreed on, and seen late it costs a few replies more or less.
#pragma once

#include <atomic>
#include <span>

#include "net/datagram_socket.h"
#include "net/reach_map.h"

namespace cpss {

class SendPressure {
 public:
  bool on() const noexcept { return on_.load(std::memory_order_relaxed); }
  // The kernel had no room.
  void rise() noexcept {
    if (!on()) on_.store(true, std::memory_order_relaxed);
  }
  // The main thread: up from a quarter of the buffer on, so that who is reachable is known by the
  // time when it matters; down below an eighth.
  void look(const SendBufferUse& use) noexcept {
    if (use.size == 0 || use.taken < use.size / 8)
      on_.store(false, std::memory_order_relaxed);
    else if (use.taken >= use.size / 4)
      rise();
  }

 private:
  std::atomic<bool> on_{false};
};

// What lanes go by.
struct SendOutlook {
  std::span<SendPressure> sockets;  // by the place of the socket in the server's list
  const ReachMap& reach;
};

}  // namespace cpss
