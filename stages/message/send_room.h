// Decides whose replies may take room in a socket's send buffer while replies that do not leave
// fill it.
//
// A neighbour may not answer when the kernel asks for its hardware address. A reply to such a
// silent neighbour stays in the kernel for about three seconds, and in its socket's send buffer.
// The buffer holds only a few hundred of them, and then no other peer gets a reply either. So while
// a socket is under pressure (send_pressure.h), replies to silent neighbours may take half of the
// buffer, those to neighbours that the kernel does not know yet three quarters, and all others the
// whole of it. Without pressure, or where nothing is known (ReachMap), every reply may be sent.
//
// Why not the error queue (IP_RECVERR): it tells of a silent neighbour after three seconds, and
// makes sends to other peers fail. Why not a second socket on the port, for those replies alone: it
// would have to be kept from receiving, and cannot be had beside an inherited one.
//
// One object per step that sends, used by its lane's thread alone. Without pressure it costs a load
// for each begin(); under pressure a system call for each begin() and, above half of the buffer, a
// look into the map for each reply.
#pragma once

#include <cstddef>
#include <cstdint>

#include "net/datagram_socket.h"
#include "stages/message/send_pressure.h"

namespace cpss {

class SendRoom {
 public:
  // Null: every reply may always be sent.
  explicit SendRoom(const SendOutlook* outlook) noexcept : outlook_(outlook) {}

  // The calls that follow are about replies by this socket, now; `socket_index`: its place in the
  // server's list.
  void begin(std::size_t socket_index, const DatagramSocket& socket,
             std::uint64_t now_ns) noexcept {
    pressed_ = outlook_ != nullptr && outlook_->sockets[socket_index].on();
    if (pressed_) look(socket, now_ns);
  }
  bool pressed() const noexcept { return pressed_; }

  // Whether the reply may be sent now. If so it counts as sent.
  bool admits(const SocketAddress& peer, std::size_t bytes) noexcept {
    return !pressed_ || admits_under_pressure(peer, bytes);
  }

  // The kernel had no room in the send buffer of that socket.
  void found_full(std::size_t socket_index) noexcept {
    if (outlook_ != nullptr) outlook_->sockets[socket_index].rise();
  }

 private:
  void look(const DatagramSocket& socket, std::uint64_t now_ns) noexcept;
  bool admits_under_pressure(const SocketAddress& peer, std::size_t bytes) noexcept;

  const SendOutlook* outlook_;
  bool pressed_ = false;
  std::uint64_t now_ns_ = 0;
  BufferUse use_;  // as of begin(), and an estimate of the replies admitted since
};

}  // namespace cpss
