// Datagrams as texts, over real sockets on loopback.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "net/udp_socket.h"

namespace cpss::test {

struct Datagram {
  std::string text;
  SocketAddress from;
};

SocketAddress address(std::string_view ip, std::uint16_t port = 0);
bool send_text(UdpSocket& socket, std::string_view text, const SocketAddress& to);
// The datagrams that have come; if none has, waits for one, at most `longest_ms`.
std::vector<Datagram> receive_texts(UdpSocket& socket, int longest_ms = 2000);

}  // namespace cpss::test
