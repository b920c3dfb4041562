#include "tests/support/flood.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include <poll.h>

namespace cpss {
namespace {

constexpr std::size_t kBatch = 32;

// On loopback a client binds that address: on a wildcard address its socket would ask the kernel
// for the local address of each reply, which takes time.
SocketAddress client_address(const SocketAddress& server) {
  if (server.ip().is_loopback()) return {server.ip(), 0};
  return {*IpAddress::parse(server.family() == AF_INET ? "0.0.0.0" : "::"), 0};
}

}  // namespace

Flood::Flood(const SocketAddress& server, std::size_t clients) : server_(server) {
  for (std::size_t i = 0; i < clients; ++i)
    clients_.push_back(std::make_unique<UdpSocket>(client_address(server), UdpSocketOptions{}));
}

Flood::Sent Flood::send(std::uint64_t datagrams_each, const Fill& fill) {
  std::vector<Sent> each(clients_.size());
  {
    std::vector<std::jthread> threads;
    for (std::size_t client = 0; client < clients_.size(); ++client)
      threads.emplace_back([&, client] { each[client] = send_as(client, datagrams_each, fill); });
  }
  Sent total;
  for (const Sent& sent : each) {
    total.datagrams += sent.datagrams;
    total.refused += sent.refused;
    if (sent.last_error != 0) total.last_error = sent.last_error;
  }
  return total;
}

Flood::Sent Flood::send(std::uint64_t datagrams_each, std::span<const std::byte> payload) {
  return send(datagrams_each, [payload](std::size_t, std::uint64_t, std::span<std::byte> room) {
    std::copy(payload.begin(), payload.end(), room.begin());
    return payload.size();
  });
}

Flood::Sent Flood::send_as(std::size_t client, std::uint64_t datagrams, const Fill& fill) {
  std::vector<std::byte> memory(kBatch * kMaxBytes);
  std::array<OutgoingDatagram, kBatch> batch;
  UdpSocket& socket = *clients_[client];
  Sent sent;
  for (std::uint64_t number = 0; number < datagrams;) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(kBatch, datagrams - number));
    for (std::size_t i = 0; i < size; ++i) {
      const auto room = std::span(memory).subspan(i * kMaxBytes, kMaxBytes);
      batch[i] = {room.data(), fill(client, number++, room), &server_, nullptr};
    }
    for (std::size_t done = 0; done < size;) {
      const SendResult result = socket.send(std::span(batch).subspan(done, size - done));
      done += result.accepted;
      sent.datagrams += result.accepted;
      if (result.error == EAGAIN) {
        socket.wait_writable(std::chrono::milliseconds(100));
      } else if (result.error != 0) {
        ++done;
        ++sent.refused;
        sent.last_error = result.error;
      }
    }
  }
  return sent;
}

Flood::Replies Flood::receive_replies(std::uint64_t expected, std::chrono::milliseconds quiet) {
  std::vector<std::byte> memory(kBatch * kMaxBytes);
  std::array<ReceiveBuffer, kBatch> buffers;
  std::array<Arrival, kBatch> arrivals;
  for (std::size_t i = 0; i < kBatch; ++i) buffers[i] = {memory.data() + i * kMaxBytes, kMaxBytes};
  std::vector<pollfd> readable;
  for (const auto& client : clients_) readable.push_back({client->descriptor(), POLLIN, 0});

  Replies replies;
  while (replies.datagrams<expected&& ::poll(readable.data(), readable.size(),
                                             static_cast<int>(quiet.count()))> 0) {
    for (const auto& client : clients_) {
      const ReceiveResult result = client->receive(buffers, arrivals);
      for (std::size_t i = 0; i < result.filled; ++i) {
        ++replies.datagrams;
        replies.bytes += arrivals[i].length;
      }
    }
  }
  for (const auto& client : clients_) replies.kernel_dropped += client->kernel_dropped();
  return replies;
}

std::uint64_t backlog_drops() {
  std::ifstream file("/proc/net/softnet_stat");
  std::uint64_t drops = 0;
  for (std::string line; std::getline(file, line);) {  // one line a CPU, hexadecimal
    std::istringstream fields(line);
    std::uint64_t processed = 0;
    std::uint64_t dropped = 0;
    fields >> std::hex >> processed >> dropped;
    drops += dropped;
  }
  return drops;
}

}  // namespace cpss
