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

std::uint16_t SocketAddress::port() const noexcept {
  return ntohs(v6_.sin6_port);
}

void SocketAddress::set_port(std::uint16_t port) noexcept {
  v6_.sin6_port = htons(port);
}

IpAddress SocketAddress::ip() const noexcept {
  IpAddress result;
  if (family() == AF_INET) {
    std::copy(IpAddress::kV4Mapped.begin(), IpAddress::kV4Mapped.end(), result.bytes.begin());
    std::memcpy(result.bytes.data() + IpAddress::kV4Offset, &v6_.sin6_flowinfo, sizeof(in_addr));
  } else if (family() == AF_INET6) {
    std::memcpy(result.bytes.data(), &v6_.sin6_addr, sizeof(in6_addr));
  }
  return result;
}

std::uint32_t SocketAddress::interface() const noexcept {
  return family() == AF_INET6 && ip().is_link_local() ? v6_.sin6_scope_id : 0;
}

socklen_t SocketAddress::size() const noexcept {
  switch (family()) {
    case AF_INET:
      return sizeof(sockaddr_in);
    case AF_INET6:
      return sizeof(sockaddr_in6);
    default:
      return 0;
  }
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

bool Prefix::contains(const IpAddress& address) const noexcept {
  // Otherwise ::/0, which an administrator writes for "all of IPv6", would let all of IPv4 in.
  if (length < IpAddress::kV4MappedBits && address.is_v4()) return false;

  const std::size_t whole_bytes = length / 8;
  if (std::memcmp(ip.bytes.data(), address.bytes.data(), whole_bytes) != 0) return false;
  const unsigned bits_left = length % 8;
  if (bits_left == 0) return true;
  const unsigned differing = ip.bytes[whole_bytes] ^ address.bytes[whole_bytes];
  return differing >> (8 - bits_left) == 0;
}

bool PrefixSet::contains(const SocketAddress& peer) const noexcept {
  return std::any_of(prefixes_.begin(), prefixes_.end(),
                     [&](const Prefix& prefix) { return prefix.contains(peer); });
}

}  // namespace cpss
