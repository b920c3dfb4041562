// IP addresses without ports.
//
// Plain values: safe to use from any thread as long as no thread writes the same object.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include <endian.h>

namespace cpss {

// An address without a port, 16 bytes in network order. IPv4 is held as a v4-mapped address
// (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2), so that a v4-mapped peer and the IPv4 peer it stands
// for are equal in every check.
struct IpAddress {
  static constexpr std::array<std::uint8_t, 16> kV4Mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  static constexpr unsigned kV4MappedBits = 96;
  static constexpr std::size_t kV4Offset = kV4MappedBits / 8;  // of the IPv4 bytes

  std::array<std::uint8_t, 16> bytes{};

  // Takes the text that inet_pton(3) takes; returns nothing if it is not an address.
  static std::optional<IpAddress> parse(std::string_view text);

  bool is_v4() const noexcept { return first_half() == 0 && (second_half() & kV4Mark) == kV4Zero; }
  bool is_unspecified() const noexcept {  // 0.0.0.0 or ::
    return first_half() == 0 && (second_half() == 0 || second_half() == kV4Zero);
  }
  bool is_loopback() const noexcept {  // 127.0.0.0/8 or ::1
    if (is_v4()) return bytes[kV4Offset] == 127;
    return first_half() == 0 && second_half() == kOne;
  }
  bool is_link_local() const noexcept {  // fe80::/10: belongs to one link, so needs an interface
    return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
  }
  bool is_multicast() const noexcept {  // 224.0.0.0/4 or ff00::/8
    return is_v4() ? (bytes[kV4Offset] & 0xf0) == 0xe0 : bytes[0] == 0xff;
  }
  bool is_broadcast() const noexcept {  // 255.255.255.255
    return first_half() == 0 && second_half() == kV4Ones;
  }
  std::string to_string() const;

  bool operator==(const IpAddress& other) const noexcept {
    return first_half() == other.first_half() && second_half() == other.second_half();
  }
  // As the bytes are in order.
  std::strong_ordering operator<=>(const IpAddress& other) const noexcept {
    const auto first = be64toh(first_half()) <=> be64toh(other.first_half());
    return first != 0 ? first : be64toh(second_half()) <=> be64toh(other.second_half());
  }
  // Whether the first `bits` bits of the two, 0 to 128, are the same.
  bool shares_bits(const IpAddress& other, unsigned bits) const noexcept {
    const std::uint64_t first = be64toh(first_half() ^ other.first_half());
    if (bits <= 64) return bits == 0 || first >> (64 - bits) == 0;
    return first == 0 && be64toh(second_half() ^ other.second_half()) >> (128 - bits) == 0;
  }

 private:
  // The receive stage asks all of the above for every arrival: so two words are looked at, not 16
  // bytes. Second halves, as they are in memory:
  using Half = std::array<std::uint8_t, 8>;
  static constexpr auto kV4Mark = std::bit_cast<std::uint64_t>(Half{0xff, 0xff, 0xff, 0xff});
  static constexpr auto kV4Zero = std::bit_cast<std::uint64_t>(Half{0, 0, 0xff, 0xff});
  static constexpr auto kV4Ones =
      std::bit_cast<std::uint64_t>(Half{0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
  static constexpr auto kOne = std::bit_cast<std::uint64_t>(Half{0, 0, 0, 0, 0, 0, 0, 1});

  std::uint64_t half(std::size_t offset) const noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + offset, sizeof word);
    return word;
  }
  std::uint64_t first_half() const noexcept { return half(0); }
  std::uint64_t second_half() const noexcept { return half(sizeof(Half)); }
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
