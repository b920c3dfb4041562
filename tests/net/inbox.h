// Room for one batch of arrivals and the steps every socket test repeats.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <poll.h>

#include "net/datagram_socket.h"
#include "net/udp_socket.h"

namespace cpss {

class Inbox {
 public:
  Inbox(std::size_t buffers, std::size_t bytes_each)
      : memory_(buffers * bytes_each), arrivals_(buffers) {
    for (std::size_t i = 0; i < buffers; ++i)
      buffers_.push_back({memory_.data() + i * bytes_each, bytes_each});
  }

  ReceiveResult receive(DatagramSocket& socket) { return socket.receive(buffers_, arrivals_); }

  // Waits up to 20 s (more than any datagram takes on loopback) for something to read.
  ReceiveResult wait_and_receive(DatagramSocket& socket, int longest_ms = 20000) {
    pollfd readable{socket.descriptor(), POLLIN, 0};
    ::poll(&readable, 1, longest_ms);
    return receive(socket);
  }

  const Arrival& arrival(std::size_t i) const { return arrivals_[i]; }
  std::string text(std::size_t i) const {
    return {reinterpret_cast<const char*>(buffers_[i].data), arrivals_[i].length};
  }

 private:
  std::vector<std::byte> memory_;
  std::vector<ReceiveBuffer> buffers_;
  std::vector<Arrival> arrivals_;
};

inline SendResult send_text(DatagramSocket& socket, std::string_view text, const SocketAddress& to,
                            const LocalAddress& from = {}) {
  const auto bytes = std::as_bytes(std::span(text));
  const OutgoingDatagram datagram{bytes.data(), bytes.size(), &to, &from};
  return socket.send({&datagram, 1});
}

inline SocketAddress address_of(std::string_view ip, std::uint16_t port = 0) {
  return {IpAddress::parse(ip).value(), port};
}

// Empty if a socket can be bound there, else the reason, for GTEST_SKIP().
inline std::string why_no_address(const SocketAddress& address) {
  try {
    const UdpSocket socket(address, {});
    return {};
  } catch (const SocketError& error) {
    return error.what();
  }
}

}  // namespace cpss
