// IP addresses without ports.
//
// Plain values: safe to use from any thread as long as no thread writes the same object.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cpss {

// An address without a port, 16 bytes in network order. IPv4 is held as a v4-mapped address
// (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2), so that a v4-mapped peer and the IPv4 peer it stands
// for are equal in every check.
struct IpAddress {
  static constexpr std::array<std::uint8_t, 12> kV4Mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  static constexpr unsigned kV4MappedBits = 96;
  static constexpr std::size_t kV4Offset = kV4Mapped.size();  // of the IPv4 bytes

  std::array<std::uint8_t, 16> bytes{};

  // Takes the text that inet_pton(3) takes; returns nothing if it is not an address.
  static std::optional<IpAddress> parse(std::string_view text);

  bool is_v4() const noexcept;
  bool is_unspecified() const noexcept;  // 0.0.0.0 or ::
  bool is_loopback() const noexcept;     // 127.0.0.0/8 or ::1
  bool is_link_local() const noexcept;   // fe80::/10: belongs to one link, so needs an interface
  bool is_multicast() const noexcept;    // 224.0.0.0/4 or ff00::/8
  bool is_broadcast() const noexcept;    // 255.255.255.255
  std::string to_string() const;

  auto operator<=>(const IpAddress&) const = default;
};

// An address as a person writes it: a link-local one with its interface, `fe80::1%eth0` or, by the
// interface's number, `fe80::1%3` (RFC 4007 section 11).
struct ScopedAddress {
  IpAddress ip;
  std::string interface;  // empty: none was written

  // Returns nothing if `text` is not an address, or names an interface for an address that is not
  // link-local. Does not check whether there is such an interface.
  static std::optional<ScopedAddress> parse(std::string_view text);
  // The interface's number, 0 if none was written; nothing if this host has no such interface now
  // (if_nametoindex(3)).
  std::optional<std::uint32_t> interface_index() const noexcept;
};

}  // namespace cpss
