// Who may ask: decided for every arrival before it becomes a message.
//
// Immutable after construction; any number of receive lanes call it at once. A v4-mapped peer is
// treated as IPv4 in every check (IpAddress compares them equal).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "net/address.h"
#include "net/datagram_port.h"
#include "net/local_addresses.h"
#include "stats/metrics.h"

namespace cpss {

struct AdmissionOptions {
  PrefixSet allowed;                         // empty: everybody
  PrefixSet trusted;                         // may get replies longer than their requests
  std::vector<SocketAddress> own_addresses;  // what the server listens on, with real ports
  LocalAddressSet host;  // this host's addresses, for wildcard listeners, and its broadcast ones
  // The service sends back what it gets: refuse peers that may do the same.
  bool reflects = false;
};

class Admission {
 public:
  explicit Admission(AdmissionOptions options) : options_(std::move(options)) {}

  // Why the arrival must not become a message; nothing if it may.
  std::optional<Reason> refusal(const Arrival& arrival) const noexcept;
  bool trusted(const SocketAddress& peer) const noexcept {
    return options_.trusted.contains(peer.ip());
  }

 private:
  bool is_own(const IpAddress& ip, std::uint16_t port) const noexcept;
  bool may_reflect(std::uint16_t port) const noexcept;

  AdmissionOptions options_;
};

}  // namespace cpss
