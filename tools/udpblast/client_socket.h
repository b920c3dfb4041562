// A client's socket: UDP, non-blocking, connected to the server, or bound where replies arrive.
//
// If connected, the kernel looks up the route once, delivers the server's datagrams only, and
// reports that nothing listens there (ECONNREFUSED). One thread; no allocation after construction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/file_descriptor.h"
#include "net/address.h"
#include "tools/udpblast/datagram_batch.h"
#include "tools/udpblast/reply_batch.h"

namespace cpss::udpblast {

class ClientSocket {
 public:
  // Throws SocketError (net/udp_socket.h).
  // `source`: the address to send from, of the server's family; none: the routing table's choice.
  explicit ClientSocket(const SocketAddress& server,
                        const std::optional<SocketAddress>& source = std::nullopt);
  // Not connected: takes datagrams from anywhere. Throws SocketError.
  static ClientSocket bound_to(const SocketAddress& address);

  // From now on sends several messages of `bytes` as one packet and takes replies that the kernel
  // has merged. Throws SocketError if the kernel cannot do both.
  void use_segments(std::size_t bytes);

  struct Result {
    std::size_t done = 0;  // datagrams sent, or arrivals received, in order from the first
    int error = 0;         // errno if there were none; EAGAIN: no room, or nothing there
  };
  // Sends windows first to first + count - 1 of the batch; `first` begins a packet.
  Result send(DatagramBatch& batch, std::size_t first, std::size_t count) noexcept;
  // Fills the batch with the datagrams that are there.
  Result receive(ReplyBatch& batch) noexcept;

  // Datagrams the kernel dropped at this socket (SO_MEMINFO, socket(7); 32 bits wide).
  std::uint64_t kernel_dropped() const noexcept;

  SocketAddress local_address() const;

  int descriptor() const noexcept { return fd_.get(); }

 private:
  explicit ClientSocket(FileDescriptor fd) noexcept : fd_(std::move(fd)) {}

  FileDescriptor fd_;
};

}  // namespace cpss::udpblast
