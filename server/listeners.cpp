#include "server/listeners.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace cpss {
namespace {

SocketAddress address_of(const ListenAddress& listen) {
  const auto ip = IpAddress::parse(listen.ip);
  if (!ip) throw SocketError("'" + listen.ip + "' is not an address", EINVAL);
  return {*ip, listen.port};
}

// An IPv6 wildcard also takes IPv4, unless an IPv4 address with the same port is listed.
bool takes_ipv4_too(const SocketAddress& address, const std::vector<SocketAddress>& all) {
  if (address.family() != AF_INET6 || !address.ip().is_unspecified()) return false;
  return std::none_of(all.begin(), all.end(), [&](const SocketAddress& other) {
    return other.family() == AF_INET && other.port() == address.port();
  });
}

// Waits until no CPU is still delivering a datagram past the filter as it was before: the receive
// path runs inside an RCU read-side section, and MEMBARRIER_CMD_GLOBAL waits for all of those
// (membarrier(2)). Where the kernel does not offer it, a pause far longer than any such section.
void wait_for_deliveries_under_way() noexcept {
  if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0) return;
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

}  // namespace

Listeners::Listeners(const Settings& settings) : asked_bytes_(settings.socket_buffer_bytes) {
  std::vector<SocketAddress> addresses;
  for (const ListenAddress& listen : settings.listen) addresses.push_back(address_of(listen));
  for (const SocketAddress& address : addresses) {
    UdpSocketOptions options;
    options.buffer_bytes = settings.socket_buffer_bytes;
    options.ipv6_only = !takes_ipv4_too(address, addresses);
    options.gro = settings.gro;
    options.gso = settings.gso;
    sockets_.push_back(std::make_unique<UdpSocket>(address, options));
  }
}

std::vector<SocketAddress> Listeners::addresses() const {
  std::vector<SocketAddress> result;
  for (const auto& socket : sockets_) result.push_back(socket->local_address());
  return result;
}

std::vector<std::string> Listeners::address_texts() const {
  std::vector<std::string> result;
  for (const auto& socket : sockets_) result.push_back(socket->local_address().to_string());
  return result;
}

std::uint64_t Listeners::newly_dropped() noexcept {
  std::uint64_t total = 0;
  for (const auto& socket : sockets_) total += socket->kernel_dropped();
  return total - std::exchange(dropped_, total);
}

bool Listeners::stop_arrivals() noexcept {
  bool all = true;
  for (const auto& socket : sockets_) all = socket->stop_arrivals() && all;
  wait_for_deliveries_under_way();
  return all;
}

std::vector<std::string> Listeners::buffer_notes() const {
  std::vector<std::string> notes;
  for (const auto& socket : sockets_) {
    const SocketBufferInfo info = socket->buffer_info();
    std::string note = fmt::format(
        "{}: the kernel queues about {} small datagrams while the server "
        "is busy",
        socket->local_address().to_string(), info.receive_datagrams);
    // The kernel doubles what is set, for its own bookkeeping (socket(7)).
    if (info.receive_bytes < 2 * asked_bytes_)
      note +=
          fmt::format(" (asked for {} bytes, got {}; more with: sysctl -w net.core.rmem_max={})",
                      asked_bytes_, info.receive_bytes / 2, asked_bytes_);
    notes.push_back(std::move(note));
  }
  return notes;
}

}  // namespace cpss
