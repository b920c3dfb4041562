#include "net/address.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/if.h>

namespace cpss {
namespace {

// SocketAddress reads and writes both families through one sockaddr_in6.
static_assert(offsetof(sockaddr_in, sin_family) == offsetof(sockaddr_in6, sin6_family));
static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
static_assert(offsetof(sockaddr_in, sin_addr) == offsetof(sockaddr_in6, sin6_flowinfo));
static_assert(sizeof(in_addr) == sizeof(sockaddr_in6::sin6_flowinfo));

}  // namespace

SocketAddress::SocketAddress(const IpAddress& address, std::uint16_t port,
                             std::uint32_t interface) noexcept
    : v6_{} {
  if (address.is_v4()) {
    v6_.sin6_family = AF_INET;
    std::memcpy(&v6_.sin6_flowinfo, address.bytes.data() + IpAddress::kV4Offset, sizeof(in_addr));
  } else {
    v6_.sin6_family = AF_INET6;
    std::memcpy(&v6_.sin6_addr, address.bytes.data(), sizeof(in6_addr));
    v6_.sin6_scope_id = interface;
  }
  set_port(port);
}

SocketAddress SocketAddress::from(const sockaddr* address, socklen_t length) noexcept {
  SocketAddress result;
  if (length < sizeof(sa_family_t)) return result;
  const bool complete = (address->sa_family == AF_INET && length >= sizeof(sockaddr_in)) ||
                        (address->sa_family == AF_INET6 && length >= sizeof(sockaddr_in6));
  if (!complete) return result;
  std::memcpy(&result.v6_, address,
              address->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
  return result;
}

void SocketAddress::set_port(std::uint16_t port) noexcept {
  v6_.sin6_port = htons(port);
}

std::uint32_t SocketAddress::interface() const noexcept {
  return family() == AF_INET6 && ip().is_link_local() ? v6_.sin6_scope_id : 0;
}

std::string SocketAddress::to_string() const {
  if (family() == AF_UNSPEC) return "(no address)";
  const IpAddress address = ip();
  if (address.is_v4()) return fmt::format("{}:{}", address.to_string(), port());
  if (interface() == 0) return fmt::format("[{}]:{}", address.to_string(), port());
  std::array<char, IF_NAMESIZE> name{};
  if (::if_indextoname(interface(), name.data()) == nullptr)
    return fmt::format("[{}%{}]:{}", address.to_string(), interface(), port());
  return fmt::format("[{}%{}]:{}", address.to_string(), name.data(), port());
}

bool SocketAddress::operator==(const SocketAddress& other) const noexcept {
  const bool both_have_one = family() != AF_UNSPEC && other.family() != AF_UNSPEC;
  if (!both_have_one) return family() == other.family();
  return v6_.sin6_port == other.v6_.sin6_port && ip() == other.ip();
}

std::optional<Prefix> Prefix::make(std::string_view ip_text, unsigned length) {
  const auto address = ScopedAddress::parse(ip_text);
  if (!address) return {};
  const bool written_as_v4 = ip_text.find(':') == std::string_view::npos;
  if (length > (written_as_v4 ? 32U : 128U)) return {};
  return Prefix{address->ip, written_as_v4 ? IpAddress::kV4MappedBits + length : length,
                address->interface_index().value_or(kNoInterface)};
}

}  // namespace cpss
