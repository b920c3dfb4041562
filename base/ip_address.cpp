#include "base/ip_address.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

namespace cpss {

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  // inet_pton wants a terminated string; a longer text, or one with a NUL in it, is no address.
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() >= terminated.size() || text.find('\0') != std::string_view::npos) return {};
  std::copy(text.begin(), text.end(), terminated.begin());

  IpAddress ip;
  if (inet_pton(AF_INET6, terminated.data(), ip.bytes.data()) == 1) return ip;
  ip.bytes = kV4Mapped;
  if (inet_pton(AF_INET, terminated.data(), ip.bytes.data() + kV4Offset) == 1) return ip;
  return {};
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
  // Characters that no interface name has: dev_valid_name() of the kernel.
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

}  // namespace cpss
