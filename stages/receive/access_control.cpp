#include "stages/receive/access_control.h"

#include <algorithm>
#include <array>

namespace cpss {
namespace {

// Ports from 1,024 on whose services answer anything, or are known to have been made to loop with
// each other (VU#417980): SSDP, SIP, memcached.
constexpr std::array<std::uint16_t, 3> kReflectingPorts = {1900, 5060, 11211};
constexpr std::uint16_t kFirstUserPort = 1024;

}  // namespace

std::optional<Reason> AccessControl::refusal(const Arrival& arrival,
                                             const HostAddressCopy& host) const noexcept {
  if (arrival.length == 0) return Reason::invalid_empty;
  if (arrival.control_cut) return Reason::failed_control_cut;
  const std::uint16_t port = arrival.peer.port();
  if (port == 0) return Reason::refused_source_port_zero;
  const IpAddress ip = arrival.peer.ip();
  if (arrival.to_group || ip.is_multicast() || ip.is_broadcast() || ip.is_unspecified() ||
      host.is_network_broadcast(ip))
    return Reason::refused_group_address;
  if (is_own(ip, port, host)) return Reason::refused_own_address;
  if (options_.reflects && may_reflect(port)) return Reason::refused_service_port;
  if (!options_.allowed.empty() && !options_.allowed.contains(arrival.peer))
    return Reason::refused_not_allowed;
  return std::nullopt;
}

bool AccessControl::is_own(const IpAddress& ip, std::uint16_t port,
                           const HostAddressCopy& host) const noexcept {
  for (const SocketAddress& own : options_.own_addresses)
    if (own.port() == port && (own.ip() == ip || (own.ip().is_unspecified() && host.contains(ip))))
      return true;
  return false;
}

bool AccessControl::may_reflect(std::uint16_t port) const noexcept {
  if (port < kFirstUserPort) return true;
  if (std::find(kReflectingPorts.begin(), kReflectingPorts.end(), port) != kReflectingPorts.end())
    return true;
  return std::any_of(options_.own_addresses.begin(), options_.own_addresses.end(),
                     [port](const SocketAddress& own) { return own.port() == port; });
}

}  // namespace cpss
