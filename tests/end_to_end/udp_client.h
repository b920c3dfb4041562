// A client of one socket for tests: sends, and waits for replies with a time limit.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "net/udp_socket.h"

namespace cpss {

class UdpClient {
 public:
  // `from` has port 0 for a free port.
  explicit UdpClient(const SocketAddress& server,
                     const SocketAddress& from = SocketAddress(*IpAddress::parse("127.0.0.1"), 0));

  // Returns errno, 0 if the kernel took it.
  int send(const std::string& payload);
  // Returns nullopt if no reply comes within `longest`; last_peer() is the reply's sender.
  std::optional<std::string> receive(std::chrono::milliseconds longest = std::chrono::seconds(5));
  std::optional<std::string> ask(const std::string& payload);

  const SocketAddress& last_peer() const noexcept { return last_peer_; }
  const SocketAddress& address() const noexcept { return socket_.local_address(); }

 private:
  UdpSocket socket_;
  SocketAddress server_;
  SocketAddress last_peer_;
};

// A request of the native protocol.
std::string lookup_request(const std::string& number, std::uint64_t transaction = 1,
                           std::size_t size = 64);

}  // namespace cpss
