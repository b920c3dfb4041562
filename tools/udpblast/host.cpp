#include "tools/udpblast/host.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

#include <fmt/format.h>
#include <netdb.h>

#include "tools/udpblast/option_values.h"

namespace cpss::udpblast {
namespace {

constexpr const char* kWanted =
    "must be an IPv4 address, an IPv6 address (a link-local one with its interface: fe80::1%eth0) "
    "or the name of a host; the port is another option's";

std::string_view name_of(sa_family_t family) {
  return family == AF_INET ? "IPv4" : "IPv6";
}

struct Found {
  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list;
  int error;  // EAI_*
};

Found look_up(const std::string& text, int flags) {
  addrinfo hints{};
  hints.ai_flags = flags;
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM;  // or else each address comes once for each kind of socket
  addrinfo* first = nullptr;
  const int error = ::getaddrinfo(text.c_str(), nullptr, &hints, &first);
  return {{error == 0 ? first : nullptr, &::freeaddrinfo}, error};
}

std::vector<SocketAddress> addresses_of(const std::string& text) {
  const bool numeric = is_numeric_host(text);
  const bool right = text.find(':') != std::string::npos || IpAddress::parse(text).has_value();
  if (numeric && !right) throw BadValue(kWanted);
  const Found found = look_up(text, numeric ? AI_NUMERICHOST : 0);
  if (found.error != 0 && numeric) throw BadValue(kWanted);
  if (found.error != 0)
    throw BadValue(fmt::format(
        "cannot be looked up: {}; {}",
        found.error == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(found.error), kWanted));
  std::vector<SocketAddress> addresses;
  for (const addrinfo* entry = found.list.get(); entry != nullptr; entry = entry->ai_next)
    addresses.push_back(SocketAddress::from(entry->ai_addr, entry->ai_addrlen));
  return addresses;
}

// The IPv4 address that a v4-mapped one stands for.
SocketAddress unmapped(const SocketAddress& address) {
  return address.family() == AF_INET6 && address.ip().is_v4() ? SocketAddress(address.ip(), 0)
                                                              : address;
}

}  // namespace

// The resolver would take 10 for 0.0.0.10 (inet_aton(3)).
bool is_numeric_host(const std::string& text) {
  return text.find(':') != std::string::npos ||
         text.find_first_not_of("0123456789.") == std::string::npos;
}

Host find_host(const std::string& text, std::uint16_t port, sa_family_t family,
               const char* other_end) {
  std::vector<SocketAddress> addresses = addresses_of(text);
  for (SocketAddress& address : addresses) address = unmapped(address);
  std::erase_if(addresses, [&](const SocketAddress& address) {
    return address.family() == AF_UNSPEC || (family != AF_UNSPEC && address.family() != family);
  });
  if (addresses.empty())
    throw BadValue(fmt::format("has no {} address to go with {}", name_of(family), other_end));
  Host host{.address = addresses.front(), .others = {}};
  host.address.set_port(port);
  for (const SocketAddress& other : addresses)
    if (other.ip() != addresses.front().ip()) host.others.push_back(other.ip().to_string());
  return host;
}

}  // namespace cpss::udpblast
