// Whether replies that do not leave fill a socket's send buffer: a flag for each socket of the
// server, shared by all lanes and processes.
//
// The main thread, which looks several times a second, raises and lowers the flag; a lane that
// finds no room raises it, too. While it is down a lane pays one load a batch for it. Relaxed: only
// the flag itself is agreed on, and a lane that sees it late sends a few replies more or less.
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
  // Called by the main thread. Raises the flag from a quarter of the buffer on, so that the reach
  // of peers is known by the time it matters (at half, send_room.h); lowers it below an eighth.
  void look(const BufferUse& use) noexcept {
    if (use.size == 0 || use.taken < use.size / 8)
      on_.store(false, std::memory_order_relaxed);
    else if (use.taken >= use.size / 4)
      rise();
  }

 private:
  std::atomic<bool> on_{false};
};

// Lanes decide by this whose replies may take room (send_room.h).
struct SendOutlook {
  std::span<SendPressure> sockets;  // by the place of the socket in the server's list
  const ReachMap& reach;
};

}  // namespace cpss
