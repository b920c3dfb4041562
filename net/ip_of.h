// Makes an IpAddress from the kernel's structures.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>

#include <netinet/in.h>
#include <sys/socket.h>

#include "net/address.h"

namespace cpss {

// The length of the prefix that is one address, in bits of the 16-byte form (Prefix).
inline constexpr unsigned kLengthOfOneAddress = 128;

inline IpAddress ip_of(const in_addr& address) noexcept {
  IpAddress ip;
  ip.bytes = IpAddress::kV4Mapped;
  std::memcpy(ip.bytes.data() + IpAddress::kV4Offset, &address, sizeof address);
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
