// A flood of plain UDP datagrams, for tests: sends as fast as the kernel takes them and counts
// exactly what it took, so that sent = received + kernel_dropped can be checked to the last one.
//
// Not thread-safe, but send() and receive_replies() may run at once on two threads.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "net/udp_socket.h"

namespace cpss {

class Flood {
 public:
  // Writes datagram number `number` of client `client` into `room` (kMaxBytes) and returns its
  // size. Called by one thread for each client.
  using Fill = std::function<std::size_t(std::size_t client, std::uint64_t number,
                                         std::span<std::byte> room)>;
  static constexpr std::size_t kMaxBytes = 65'507;  // of a UDP datagram over IPv4

  struct Sent {
    std::uint64_t datagrams = 0;  // that the kernel took
    std::uint64_t refused = 0;    // that it will never take: skipped
    int last_error = 0;           // errno of the last refused one
  };
  struct Replies {
    std::uint64_t datagrams = 0;
    std::uint64_t bytes = 0;
    std::uint64_t kernel_dropped = 0;  // replies that found a full socket, since the beginning
  };

  // Opens `clients` sockets, each with a port of its own.
  Flood(const SocketAddress& server, std::size_t clients);

  // Each client, on a thread of its own, sends `datagrams_each` and waits only for room in its own
  // socket.
  Sent send(std::uint64_t datagrams_each, const Fill& fill);
  Sent send(std::uint64_t datagrams_each, std::span<const std::byte> payload);

  // Counts replies at all clients until `expected` came or none came for `quiet`.
  Replies receive_replies(std::uint64_t expected, std::chrono::milliseconds quiet);

 private:
  Sent send_as(std::size_t client, std::uint64_t datagrams, const Fill& fill);

  SocketAddress server_;
  std::vector<std::unique_ptr<UdpSocket>> clients_;
};

// Packets this host dropped before they reached any socket because a CPU's input queue was full
// (/proc/net/softnet_stat, second column; net.core.netdev_max_backlog). Explains a difference in
// sent = received + kernel_dropped that is not the server's.
std::uint64_t backlog_drops();

}  // namespace cpss
