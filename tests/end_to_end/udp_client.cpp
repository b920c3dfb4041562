#include "tests/end_to_end/udp_client.h"

#include <cstring>

#include <poll.h>

#include "services/native_wire.h"

namespace cpss {

UdpClient::UdpClient(const SocketAddress& server, const SocketAddress& from)
    : socket_(from, {}), server_(server) {}

int UdpClient::send(const std::string& payload) {
  const OutgoingDatagram datagram{reinterpret_cast<const std::byte*>(payload.data()),
                                  payload.size(), &server_, nullptr};
  return socket_.send(std::span(&datagram, 1)).error;
}

std::optional<std::string> UdpClient::receive(std::chrono::milliseconds longest) {
  pollfd readable{socket_.descriptor(), POLLIN, 0};
  if (poll(&readable, 1, static_cast<int>(longest.count())) != 1) return std::nullopt;
  std::string payload(65'536, '\0');
  const ReceiveBuffer buffer{reinterpret_cast<std::byte*>(payload.data()), payload.size()};
  Arrival arrival;
  if (socket_.receive(std::span(&buffer, 1), std::span(&arrival, 1)).filled != 1)
    return std::nullopt;
  payload.resize(arrival.length);
  last_peer_ = arrival.peer;
  return payload;
}

std::optional<std::string> UdpClient::ask(const std::string& payload) {
  if (send(payload) != 0) return std::nullopt;
  return receive();
}

std::string lookup_request(const std::string& number, std::uint64_t transaction, std::size_t size) {
  std::string request(std::max(size, native::kHeaderBytes + number.size()), '\0');
  native::Header header;
  header.kind = static_cast<std::uint8_t>(native::Kind::request);
  header.code = static_cast<std::uint16_t>(native::RequestCode::lookup);
  header.body_length = static_cast<std::uint16_t>(number.size());
  header.transaction = transaction;
  native::write_header(std::as_writable_bytes(std::span(request)), header);
  std::memcpy(request.data() + native::kHeaderBytes, number.data(), number.size());
  return request;
}

}  // namespace cpss
