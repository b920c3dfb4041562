// Makes an IpAddress from the kernel's structures.
#pragma once

#include <cstddef>
#include <cstring>
#include <optional>
#include <span>

#include <netinet/in.h>
#include <sys/socket.h>

#include "net/address.h"

namespace cpss {

// The 16-byte forms of all IPv4 addresses share so many bits: to be added to a prefix length.
inline constexpr unsigned kV4MappedBits = 96;

inline IpAddress ip_of(const in_addr& address) noexcept {
  IpAddress ip;
  ip.bytes[10] = ip.bytes[11] = 0xff;
  std::memcpy(ip.bytes.data() + kV4MappedBits / 8, &address, sizeof address);
  return ip;
}

inline IpAddress ip_of(const in6_addr& address) noexcept {
  IpAddress ip;
  std::memcpy(ip.bytes.data(), &address, sizeof address);
  return ip;
}

// nullopt if the bytes are not an address of that family.
inline std::optional<IpAddress> ip_of(int family, std::span<const std::byte> bytes) noexcept {
  in_addr v4;
  in6_addr v6;
  if (family == AF_INET && bytes.size() == sizeof v4) {
    std::memcpy(&v4, bytes.data(), sizeof v4);
    return ip_of(v4);
  }
  if (family != AF_INET6 || bytes.size() != sizeof v6) return std::nullopt;
  std::memcpy(&v6, bytes.data(), sizeof v6);
  return ip_of(v6);
}

}  // namespace cpss
