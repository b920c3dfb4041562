// The seam between the stages and the kernel: receive a batch, send a batch.
//
// The real side is UdpSocket (udp_socket.h); tests put a fake or a lossy one in its place. A
// datagram socket never waits in receive() or send() and never retries: the stage that called
// decides, and books, what an error or a partial send means.
//
// Thread-safety: several lanes may call receive() and send() on one datagram socket at once.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "net/address.h"

namespace cpss {

// Room for one arrival. The memory belongs to the caller.
struct ReceiveBuffer {
  std::byte* data = nullptr;
  std::size_t size = 0;  // bytes
};

// The content of one filled buffer: one datagram, or several of one sender that the kernel merged
// (UDP_GRO, udp(7)).
struct Arrival {
  SocketAddress peer;
  LocalAddress local;              // the address that the peer sent it to
  std::uint32_t length = 0;        // bytes in the buffer
  std::uint32_t segment_size = 0;  // bytes of each merged datagram but the last, which may be
                                   // shorter; 0: the buffer holds one datagram
  bool truncated = false;          // the datagram was longer than the buffer
  bool to_group = false;           // sent to a broadcast or multicast address
  // The kernel had no room for all control messages (MSG_CTRUNC, recvmsg(2)): `local`, `to_group`
  // and `segment_size` may be wrong, and the bytes may be several datagrams.
  bool control_cut = false;

  // Datagrams in the buffer; an empty datagram is one.
  std::uint32_t datagrams() const noexcept {
    if (segment_size == 0 || length <= segment_size) return 1;
    return (length + segment_size - 1) / segment_size;
  }
};

struct ReceiveResult {
  std::size_t filled = 0;  // buffers filled, in order from the first
  int error = 0;           // errno of a receive that failed with nothing filled; 0 also when there
                           // was nothing to read. It belongs to the socket, never to a message.
};

struct OutgoingDatagram {
  const std::byte* data = nullptr;
  std::size_t size = 0;                 // bytes
  const SocketAddress* peer = nullptr;  // never null
  const LocalAddress* local = nullptr;  // null, or !known(): the kernel chooses
};

struct SendResult {
  std::size_t accepted = 0;  // datagrams the kernel took, in order from the first
  int error = 0;             // errno for datagram number `accepted`, EAGAIN if the kernel has no
                             // room now; 0: the rest was not tried, call again
};

// How much of a socket's buffer is taken. Of the send buffer (SO_SNDBUF, socket(7)): by datagrams
// that the kernel has accepted and not yet released, which are on their way through a network card,
// or wait until the kernel knows a neighbour's hardware address. Of the receive buffer (SO_RCVBUF):
// by datagrams that wait to be received.
struct BufferUse {
  std::size_t taken = 0;  // bytes, as the kernel charges for them: more than their payload
  std::size_t size = 0;   // 0: not known
};

class DatagramSocket {
 public:
  virtual ~DatagramSocket() = default;

  // Fills buffers with the datagrams that are there now. buffers.size() == arrivals.size().
  virtual ReceiveResult receive(std::span<const ReceiveBuffer> buffers,
                                std::span<Arrival> arrivals) noexcept = 0;
  virtual SendResult send(std::span<const OutgoingDatagram> datagrams) noexcept = 0;

  // Waits until the kernel may take another datagram, at most `longest`. May return early.
  virtual void wait_writable(std::chrono::milliseconds longest) noexcept = 0;

  virtual BufferUse send_buffer_use() const noexcept { return {}; }
  virtual BufferUse receive_buffer_use() const noexcept { return {}; }

  // A lane waits in epoll until it is readable; -1 if there is none (a fake).
  virtual int descriptor() const noexcept = 0;
};

}  // namespace cpss
