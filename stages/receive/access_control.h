// Who may ask: decided for every arrival before it becomes a message.
//
// Any number of receive lanes call it at once; nothing of it changes but the host's addresses, of
// which each lane has a copy (host_addresses.h). A v4-mapped peer is treated as IPv4 in every check
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
  PrefixSet allowed;                         // empty: everybody
  PrefixSet trusted;                         // may get replies longer than their requests
  std::vector<SocketAddress> own_addresses;  // what the server listens on, with real ports
  LocalAddressSet
      host;  // this host's addresses, for wildcard listeners, and its broadcast ones, now
  // The service sends back what it gets: refuse peers that may do the same.
  bool reflects = false;
  Sharing sharing =
      Sharing::process_private;  // of what is published: with lanes that are processes
};

class AccessControl {
 public:
  // Throws std::bad_alloc, std::system_error.
  explicit AccessControl(AccessOptions options)
      : options_(std::move(options)), host_(options_.host, options_.sharing) {}

  // Of this host; the main thread publishes others when they have changed.
  HostAddresses& host() noexcept { return host_; }
  const HostAddresses& host() const noexcept { return host_; }

  // Why the arrival must not become a message; nothing if it may. `host`: the lane's copy.
  std::optional<Reason> refusal(const Arrival& arrival, const HostAddressCopy& host) const noexcept;
  bool trusted(const SocketAddress& peer) const noexcept { return options_.trusted.contains(peer); }

 private:
  bool is_own(const SocketAddress& peer, const HostAddressCopy& host) const noexcept;
  bool may_reflect(std::uint16_t port) const noexcept;

  AccessOptions options_;
  HostAddresses host_;
};

}  // namespace cpss
