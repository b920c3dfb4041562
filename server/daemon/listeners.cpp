#include "server/daemon/listeners.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/quote.h"
#include "queue/invariant.h"

namespace cpss {
namespace {

// An IPv6 wildcard also takes IPv4, unless an IPv4 address with the same port is listed.
bool takes_ipv4_too(const SocketAddress& address, const std::vector<SocketAddress>& all) {
  if (address.family() != AF_INET6 || !address.ip().is_unspecified()) return false;
  return std::none_of(all.begin(), all.end(), [&](const SocketAddress& other) {
    return other.family() == AF_INET && other.port() == address.port();
  });
}

// Much longer than it takes where the kernel gets on with its own work.
constexpr std::chrono::seconds kDeliveriesEnd{1};
constexpr std::chrono::milliseconds kLook{1};
// Far longer than the delivery of a datagram.
constexpr std::chrono::milliseconds kPause{20};

// Waits until no CPU still delivers a datagram past the filter as it was before. The receive path
// runs inside an RCU read-side section, and MEMBARRIER_CMD_GLOBAL waits for all of those
// (membarrier(2)): 10 ms, but on a machine that others flood with datagrams 20 s and more, and
// whatever waits there cannot be ended. So a child process waits, which has nothing open, and may
// be left behind. If it takes too long, or the kernel does not offer it: a pause.
void wait_for_deliveries_under_way() noexcept {
  const pid_t child = ::fork();
  if (child == 0) {
    ::close_range(0, ~0U, 0);
    _exit(::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0 ? 0 : 1);
  }
  if (child > 0) {
    const auto deadline = std::chrono::steady_clock::now() + kDeliveriesEnd;
    int status = 0;
    pid_t ended = 0;
    while ((ended = ::waitpid(child, &status, WNOHANG)) == 0 &&
           std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(kLook);
    if (ended == child && WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  }
  std::this_thread::sleep_for(kPause);
}

UdpSocketOptions socket_options(const ListenerOptions& options) {
  UdpSocketOptions result;
  result.buffer_bytes = options.buffer_bytes;
  result.gro = options.gro;
  result.gso = options.gso;
  result.freebind = options.freebind;
  result.dscp = options.dscp;
  return result;
}

}  // namespace

SocketAddress address_of(const ListenAddress& address) {
  const auto ip = ScopedAddress::parse(address.ip);
  if (!ip) throw SocketError(in_quotes(address.ip) + " is not an address", EINVAL);
  const auto interface = ip->interface_index();
  if (!interface)
    throw SocketError(
        fmt::format("cannot use [{}]:{}: this host has no interface {} now: 'ip link' "
                    "lists those it has",
                    address.ip, address.port, ip->interface),
        ENODEV);
  return {ip->ip, address.port, *interface};
}

Listeners::Listeners(const ListenerOptions& options)
    : asked_bytes_(options.buffer_bytes), per_address_(options.per_address) {
  invariant(per_address_ >= 1, "every address has a socket");
  if (options.inherited.empty()) {
    bind_groups(options);
    return;
  }
  invariant(per_address_ == 1, "inherited sockets are alone on their addresses");
  for (const int fd : options.inherited)
    sockets_.push_back(
        std::make_unique<UdpSocket>(InheritedDescriptor{fd}, socket_options(options)));
  read_drop_counter();  // the drops before the sockets were ours are not counted
}

void Listeners::bind_groups(const ListenerOptions& options) {
  std::vector<SocketAddress> addresses;
  for (const ListenAddress& listen : options.listen) addresses.push_back(address_of(listen));

  // The first socket of each group is bound as if it were to stay alone, so that the server does
  // not join another program's group by mistake.
  const bool shared = per_address_ > 1;
  for (unsigned lane = 0; lane < per_address_; ++lane) {
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      UdpSocketOptions one = socket_options(options);
      one.ipv6_only = !takes_ipv4_too(addresses[i], addresses);
      one.reuse_port = lane > 0;
      const SocketAddress& where = lane > 0 ? sockets_[i]->local_address() : addresses[i];
      sockets_.push_back(std::make_unique<UdpSocket>(where, one));
      if (shared && lane == 0) sockets_.back()->share_port();
    }
  }
  if (!shared) return;
  for (std::size_t i = 0; i < addresses.size(); ++i)
    steer(*sockets_[i], options.steering, per_address_);
}

std::vector<SocketAddress> Listeners::addresses() const {
  std::vector<SocketAddress> result;
  for (std::size_t i = 0; i < sockets_.size() / per_address_; ++i)
    result.push_back(sockets_[i]->local_address());
  return result;
}

std::vector<std::string> Listeners::address_texts() const {
  std::vector<std::string> result;
  for (const SocketAddress& address : addresses()) result.push_back(address.to_string());
  return result;
}

std::uint64_t Listeners::read_drop_counter() noexcept {
  std::uint64_t total = 0;
  for (const auto& socket : sockets_) total += socket->kernel_dropped();
  return total - std::exchange(dropped_, total);
}

bool Listeners::stop_arrivals() noexcept {
  if (inherited()) return true;
  bool all = true;
  for (const auto& socket : sockets_) all = socket->stop_arrivals() && all;
  wait_for_deliveries_under_way();
  return all;
}

std::uint64_t Listeners::last_drops() noexcept {
  std::uint64_t unread = 0;
  if (!inherited()) {
    for (const auto& socket : sockets_) socket->turn_away();
    wait_for_deliveries_under_way();
    for (const auto& socket : sockets_) unread += socket->discard_unread();
  }
  return unread + read_drop_counter();
}

std::uint64_t Listeners::buffer_bytes() const noexcept {
  std::uint64_t bytes = 0;
  for (const auto& socket : sockets_) bytes += socket->buffer_bytes();
  return bytes;
}

std::vector<std::string> Listeners::buffer_notes() const {
  const std::string each =
      per_address_ == 1 ? "" : fmt::format(" in each of {} sockets", per_address_);
  std::vector<std::string> notes;
  for (std::size_t i = 0; i < sockets_.size() / per_address_; ++i) {
    const SocketBufferInfo info = sockets_[i]->buffer_info();
    std::string note =
        fmt::format("{}: the kernel queues about {} small datagrams{} while the server is busy",
                    sockets_[i]->local_address().to_string(), info.receive_datagrams, each);
    // The kernel doubles the size that is set, for its own bookkeeping (socket(7)).
    if (info.receive_bytes < 2 * asked_bytes_)
      note +=
          fmt::format(" (asked for {} bytes, got {}; more with: sysctl -w net.core.rmem_max={})",
                      asked_bytes_, info.receive_bytes / 2, asked_bytes_);
    notes.push_back(std::move(note));
  }
  return notes;
}

std::vector<std::string> Listeners::inherited_notes() const {
  std::vector<std::string> notes;
  for (const auto& socket : sockets_)
    notes.insert(notes.end(), socket->notes().begin(), socket->notes().end());
  return notes;
}

}  // namespace cpss
