// Who may ask: decided for every arrival before it becomes a message.
//
// Any number of receive lanes call it at once. Nothing of it changes but the host's addresses, of
// which each lane has a copy (host_addresses.h). Every check treats a v4-mapped peer as IPv4
// (IpAddress compares them equal).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "net/address.h"
#include "net/datagram_socket.h"
#include "net/local_addresses.h"
#include "stages/message/memory.h"
#include "stages/receive/host_addresses.h"
#include "stats/metrics.h"

namespace cpss {

struct AccessOptions {
  PrefixSet allowed;                         // who may ask; empty: every peer
  PrefixSet trusted;                         // may get replies longer than their requests
  std::vector<SocketAddress> own_addresses;  // what the server listens on, with real ports
  LocalAddressSet
      host;  // this host's addresses now, for wildcard listeners, and its broadcast addresses
  // The service sends back what it gets: refuse peers that may do the same.
  bool reflects = false;
  Sharing sharing =
      Sharing::process_private;  // of the published addresses, with lanes that are processes
};

class AccessControl {
 public:
  // Throws std::bad_alloc, std::system_error.
  explicit AccessControl(AccessOptions options)
      : options_(std::move(options)), host_(options_.host, options_.sharing) {}

  // The addresses of this host; the main thread publishes new ones when they have changed.
  HostAddresses& host() noexcept { return host_; }
  const HostAddresses& host() const noexcept { return host_; }

  // Why the arrival must not become a message; none: it may. `host`: the lane's copy.
  std::optional<Reason> refusal(const Arrival& arrival, const HostAddressCopy& host) const noexcept;
  bool trusted(const SocketAddress& peer) const noexcept { return options_.trusted.contains(peer); }

 private:
  bool is_own(const IpAddress& ip, std::uint16_t port, const HostAddressCopy& host) const noexcept;
  bool may_reflect(std::uint16_t port) const noexcept;

  AccessOptions options_;
  HostAddresses host_;
};

}  // namespace cpss
