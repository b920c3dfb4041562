#include "tests/server/loopback.h"

#include <array>
#include <span>

#include <poll.h>

namespace cpss::test {

SocketAddress address(std::string_view ip, std::uint16_t port) {
  return {IpAddress::parse(ip).value(), port};
}

bool send_text(UdpSocket& socket, std::string_view text, const SocketAddress& to) {
  const auto bytes = std::as_bytes(std::span(text));
  const OutgoingDatagram datagram{bytes.data(), bytes.size(), &to, nullptr};
  return socket.send({&datagram, 1}).accepted == 1;
}

std::vector<Datagram> receive_texts(UdpSocket& socket, int longest_ms) {
  pollfd readable{socket.descriptor(), POLLIN, 0};
  poll(&readable, 1, longest_ms);
  std::array<std::array<std::byte, 512>, 64> memory;
  std::array<ReceiveBuffer, 64> buffers;
  std::array<Arrival, 64> arrivals;
  for (std::size_t i = 0; i < buffers.size(); ++i)
    buffers[i] = {memory[i].data(), memory[i].size()};
  std::vector<Datagram> texts(socket.receive(buffers, arrivals).filled);
  for (std::size_t i = 0; i < texts.size(); ++i)
    texts[i] = {{reinterpret_cast<const char*>(memory[i].data()), arrivals[i].length},
                arrivals[i].peer};
  return texts;
}

}  // namespace cpss::test
