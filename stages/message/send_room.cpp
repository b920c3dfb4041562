#include "stages/message/send_room.h"

namespace cpss {
namespace {

// The max that the kernel charges for a datagram of this size: its data lie in a block whose size
// is a power of two, together with headers and the kernel's own structures (skb->truesize).
constexpr std::size_t max_charged(std::size_t bytes) noexcept {
  return 2 * bytes + 1024;
}

}  // namespace

void SendRoom::look(const DatagramSocket& socket, std::uint64_t now_ns) noexcept {
  now_ns_ = now_ns;
  use_ = socket.send_buffer_use();
  pressed_ = use_.size != 0;
}

bool SendRoom::admits_under_pressure(const SocketAddress& peer, std::size_t bytes) noexcept {
  if (use_.taken >= use_.size / 2) {
    const Reach reach = outlook_->reach.of(peer.ip(), now_ns_);
    // Replies to such peers leave at once, or the kernel says that there is no room.
    if (reach == Reach::open) return true;
    if (reach == Reach::silent || use_.taken >= use_.size / 4 * 3) return false;
  }
  use_.taken += max_charged(bytes);
  return true;
}

}  // namespace cpss
