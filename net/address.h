// UDP socket addresses and address prefixes.
//
// All types are plain values, safe to use from any thread as long as no other thread writes the
// same object. All but PrefixSet are trivially copyable. Only to_string() and the list of a
// PrefixSet allocate.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/ip_address.h"

namespace cpss {

// An IPv4 or IPv6 address with a UDP port, laid out as the kernel takes it (28 bytes).
class SocketAddress {
 public:
  SocketAddress() noexcept : v6_{} {}  // family AF_UNSPEC
  // AF_INET for IPv4. `interface`: index of the interface that a link-local address belongs to.
  SocketAddress(const IpAddress& address, std::uint16_t port, std::uint32_t interface = 0) noexcept;
  static SocketAddress from(const sockaddr* address, socklen_t length) noexcept;

  sa_family_t family() const noexcept { return v6_.sin6_family; }
  std::uint16_t port() const noexcept { return ntohs(v6_.sin6_port); }  // host order
  void set_port(std::uint16_t port) noexcept;
  IpAddress ip() const noexcept {
    IpAddress result;
    if (family() == AF_INET) {
      result.bytes = IpAddress::kV4Mapped;
      std::memcpy(result.bytes.data() + IpAddress::kV4Offset, &v6_.sin6_flowinfo, sizeof(in_addr));
    } else if (family() == AF_INET6) {
      std::memcpy(result.bytes.data(), &v6_.sin6_addr, sizeof(in6_addr));
    }
    return result;
  }
  // The interface of a link-local address (sin6_scope_id, ipv6(7)); else 0.
  std::uint32_t interface() const noexcept;

  // For the kernel: a pointer to the sockaddr and the bytes its family uses.
  const sockaddr* data() const noexcept { return reinterpret_cast<const sockaddr*>(&v6_); }
  sockaddr* data() noexcept { return reinterpret_cast<sockaddr*>(&v6_); }
  socklen_t size() const noexcept {
    if (family() == AF_INET) return sizeof(sockaddr_in);
    return family() == AF_INET6 ? sizeof(sockaddr_in6) : 0;
  }
  static constexpr socklen_t kCapacity = sizeof(sockaddr_in6);

  std::string to_string() const;  // 127.0.0.1:7700, [::1]:7700, [fe80::1%eth0]:7700

  // Same IP (v4-mapped equals IPv4) and same port; scope and flow label do not count.
  bool operator==(const SocketAddress& other) const noexcept;
  // Equal in every byte that the family uses, scope and flow label included.
  bool identical(const SocketAddress& other) const noexcept {
    // All IPv4 bytes, or the first ones of IPv6, in constant size: without a call.
    return std::memcmp(&v6_, &other.v6_, sizeof(sockaddr_in)) == 0 &&
           (family() != AF_INET6 || std::memcmp(&v6_, &other.v6_, sizeof(sockaddr_in6)) == 0);
  }

 private:
  sockaddr_in6 v6_;  // sockaddr_in has its family and port at the same offsets
};
static_assert(sizeof(SocketAddress) == 28, "part of the 64-byte hot half of a slot header");

// The local address a datagram was sent to, and so the one its reply has to leave from
// (IP_PKTINFO, IPV6_PKTINFO: ip(7), ipv6(7)). All zero if the socket is bound to one address: the
// kernel knows it anyway.
struct LocalAddress {
  IpAddress ip;
  std::uint32_t interface = 0;  // index as if_nametoindex(3) gives it

  bool known() const noexcept { return !ip.is_unspecified(); }
  bool operator==(const LocalAddress&) const = default;
};

// Addresses that share their first `length` bits; with an interface, only those on its link.
struct Prefix {
  static constexpr std::uint32_t kNoInterface = 0xffff'ffff;  // no host has it: contains nothing

  IpAddress ip;
  unsigned length = 128;        // bits of the 16-byte form: an IPv4 /8 has 96 + 8
  std::uint32_t interface = 0;  // 0: any

  // `length`: bits, 0 to 32 if `ip_text` is IPv4, else 0 to 128. nullopt if one of them is wrong.
  // Looks up the interface (`fe80::%eth0`) here and only here: if the host does not have it now,
  // the prefix contains nothing.
  static std::optional<Prefix> make(std::string_view ip_text, unsigned length);
  // An IPv6 prefix shorter than 96 bits holds IPv6 addresses only: an administrator writes ::/0 for
  // "all of IPv6", and it does not contain IPv4.
  bool contains(const IpAddress& address) const noexcept {
    return ip.shares_bits(address, length) &&
           (length >= IpAddress::kV4MappedBits || !address.is_v4());
  }
  bool contains(const SocketAddress& peer) const noexcept {
    return contains(peer.ip()) && (interface == 0 || interface == peer.interface());
  }

  auto operator<=>(const Prefix&) const = default;
};

// A handful of prefixes, searched in order (lists of this kind are short).
class PrefixSet {
 public:
  PrefixSet() = default;
  explicit PrefixSet(std::vector<Prefix> prefixes) : prefixes_(std::move(prefixes)) {}
  bool empty() const noexcept { return prefixes_.empty(); }
  bool contains(const SocketAddress& peer) const noexcept {
    for (const Prefix& prefix : prefixes_)
      if (prefix.contains(peer)) return true;
    return false;
  }

 private:
  std::vector<Prefix> prefixes_;
};

}  // namespace cpss
