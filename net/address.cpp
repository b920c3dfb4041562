#include "net/address.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <system_error>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/if.h>

namespace cpss {
namespace {

constexpr std::array<std::uint8_t, 12> kV4MappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned kV4MappedBits = 96;
constexpr std::size_t kV4Offset = kV4MappedPrefix.size();  // of the IPv4 bytes in an IpAddress

// SocketAddress reads and writes both families through one sockaddr_in6.
static_assert(offsetof(sockaddr_in, sin_family) == offsetof(sockaddr_in6, sin6_family));
static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
static_assert(offsetof(sockaddr_in, sin_addr) == offsetof(sockaddr_in6, sin6_flowinfo));
static_assert(sizeof(in_addr) == sizeof(sockaddr_in6::sin6_flowinfo));

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  // inet_pton wants a terminated string; a longer text, or one with a NUL in it, is no address.
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() >= terminated.size() || text.find('\0') != std::string_view::npos) return {};
  std::copy(text.begin(), text.end(), terminated.begin());

  IpAddress ip;
  if (inet_pton(AF_INET6, terminated.data(), ip.bytes.data()) == 1) return ip;
  std::copy(kV4MappedPrefix.begin(), kV4MappedPrefix.end(), ip.bytes.begin());
  if (inet_pton(AF_INET, terminated.data(), ip.bytes.data() + kV4Offset) == 1) return ip;
  return {};
}

bool IpAddress::is_v4() const noexcept {
  return std::equal(kV4MappedPrefix.begin(), kV4MappedPrefix.end(), bytes.begin());
}

bool IpAddress::is_unspecified() const noexcept {
  const auto first = bytes.begin() + (is_v4() ? kV4Offset : 0);
  return std::all_of(first, bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_loopback() const noexcept {
  if (is_v4()) return bytes[kV4Offset] == 127;
  IpAddress one;
  one.bytes.back() = 1;
  return *this == one;
}

bool IpAddress::is_link_local() const noexcept {
  return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

bool IpAddress::is_multicast() const noexcept {
  if (is_v4()) return (bytes[kV4Offset] & 0xf0) == 0xe0;
  return bytes[0] == 0xff;
}

bool IpAddress::is_broadcast() const noexcept {
  return is_v4() && std::all_of(bytes.begin() + kV4Offset, bytes.end(),
                                [](std::uint8_t byte) { return byte == 0xff; });
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (is_v4())
    inet_ntop(AF_INET, bytes.data() + kV4Offset, text.data(), text.size());
  else
    inet_ntop(AF_INET6, bytes.data(), text.data(), text.size());
  return text.data();
}

std::optional<ScopedAddress> ScopedAddress::parse(std::string_view text) {
  const std::size_t percent = text.find('%');
  const auto ip = IpAddress::parse(text.substr(0, percent));
  if (!ip) return {};
  if (percent == std::string_view::npos) return ScopedAddress{*ip, {}};
  const std::string_view interface = text.substr(percent + 1);
  // What a name cannot hold: dev_valid_name() of the kernel.
  constexpr std::string_view kNeverInAName("/: \t\n\v\f\r\0", 9);
  if (!ip->is_link_local() || interface.empty() || interface.size() >= IF_NAMESIZE ||
      interface.find_first_of(kNeverInAName) != std::string_view::npos)
    return {};
  return ScopedAddress{*ip, std::string(interface)};
}

std::optional<std::uint32_t> ScopedAddress::interface_index() const noexcept {
  if (interface.empty()) return 0;
  if (const std::uint32_t named = ::if_nametoindex(interface.c_str()); named != 0) return named;
  std::uint32_t number = 0;
  const char* const end = interface.data() + interface.size();
  const auto [rest, error] = std::from_chars(interface.data(), end, number);
  std::array<char, IF_NAMESIZE> name{};
  if (error != std::errc() || rest != end || ::if_indextoname(number, name.data()) == nullptr)
    return {};
  return number;
}

SocketAddress::SocketAddress(const IpAddress& address, std::uint16_t port,
                             std::uint32_t interface) noexcept
    : v6_{} {
  if (address.is_v4()) {
    v6_.sin6_family = AF_INET;
    std::memcpy(&v6_.sin6_flowinfo, address.bytes.data() + kV4Offset, sizeof(in_addr));
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
    std::copy(kV4MappedPrefix.begin(), kV4MappedPrefix.end(), result.bytes.begin());
    std::memcpy(result.bytes.data() + kV4Offset, &v6_.sin6_flowinfo, sizeof(in_addr));
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
  return Prefix{address->ip, written_as_v4 ? kV4MappedBits + length : length,
                address->interface_index().value_or(kNoInterface)};
}

bool Prefix::contains(const IpAddress& address) const noexcept {
  // Else ::/0, which an IPv6 administrator writes for "all of IPv6", would let all of IPv4 in.
  if (length < kV4MappedBits && address.is_v4()) return false;

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
