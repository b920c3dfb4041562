// A client's socket, and what a loop does with it: ClientSocket sends and receives batches,
// Transmitter sends a batch as far as the kernel takes it, SocketWait waits until one of several
// sockets can be read.
//
// One thread. Nothing is allocated after construction but the text of a Transmitter's first error.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include <sys/epoll.h>

#include "base/file_descriptor.h"
#include "net/address.h"
#include "tools/udpblast/datagram_batches.h"
#include "tools/udpblast/tally.h"

namespace cpss::udpblast {

// A UDP socket, non-blocking, connected to the server, or bound where replies arrive.
//
// If connected, the kernel looks up the route once, delivers the server's datagrams only, and
// reports that nothing listens there (ECONNREFUSED).
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

// Hands a batch of messages to the kernel and counts the results. `tally` and `findings` outlive
// it.
class Transmitter {
 public:
  Transmitter(Tally& tally, FirstFindings& findings) noexcept
      : tally_(tally), findings_(findings) {}

  // Returns how many of the batch's first `count` messages the kernel took, in order; the rest may
  // be tried again a little later.
  std::size_t transmit(ClientSocket& socket, DatagramBatch& batch, std::size_t count,
                       std::uint64_t now_ns);

 private:
  Tally& tally_;
  FirstFindings& findings_;
};

// Waits for datagrams to read, or for a time, to the nanosecond.
class SocketWait {
 public:
  SocketWait();  // throws SocketError

  // wait() returns `index` when the descriptor is readable. Throws SocketError.
  void add(int descriptor, std::uint32_t index);

  // Waits until there is something to read, at most until `until_ns`; not at all if that has
  // passed. Returns the indexes of the readable sockets, none if the time is over or the wait
  // failed; valid until the next call. Times are monotonic_ns().
  std::span<const std::uint32_t> wait(std::uint64_t now_ns, std::uint64_t until_ns) noexcept;
  // Why the last wait failed, and so ended at once (errno); 0: it did not fail.
  int error() const noexcept { return error_; }

 private:
  static constexpr std::size_t kEvents = 64;

  FileDescriptor epoll_;
  int error_ = 0;
  std::array<epoll_event, kEvents> events_{};
  std::array<std::uint32_t, kEvents> indexes_{};
};

}  // namespace cpss::udpblast
