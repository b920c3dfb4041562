#include "tools/udpblast/option_values.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>

#include <fmt/format.h>
#include <netdb.h>

#include "tools/udpblast/send_schedule.h"

namespace cpss::udpblast {
namespace {

constexpr double kLongestS = 365.0 * 24 * 3600;

// Digits with at most one point; no sign, no exponent, no "inf".
std::optional<double> parse_decimal(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789.") != std::string_view::npos)
    return std::nullopt;
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

constexpr const char* kHostWanted =
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
  if (numeric && !right) throw BadValue(kHostWanted);
  const Found found = look_up(text, numeric ? AI_NUMERICHOST : 0);
  if (found.error != 0 && numeric) throw BadValue(kHostWanted);
  if (found.error != 0)
    throw BadValue(
        fmt::format("cannot be looked up: {}; {}",
                    found.error == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(found.error),
                    kHostWanted));
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

std::uint64_t parse_whole(std::string_view text, std::uint64_t min, std::uint64_t max) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < min || value > max)
    throw BadValue(fmt::format("must be a whole number from {} to {}", min, max));
  return value;
}

std::uint64_t parse_seconds_ns(std::string_view text) {
  const std::optional<double> seconds = parse_decimal(text);
  const double ns = seconds.value_or(0) * 1e9;
  if (!seconds || ns < 1 || *seconds > kLongestS)
    throw BadValue("must be seconds, for example 5 or 0.25, more than 0 and at most a year");
  return static_cast<std::uint64_t>(std::llround(ns));
}

double parse_share(std::string_view text) {
  const bool percent = text.ends_with('%');
  if (percent) text.remove_suffix(1);
  const std::optional<double> value = parse_decimal(text);
  const double share = value.value_or(-1) / (percent ? 100 : 1);
  if (!value || share > 1)
    throw BadValue("must be a ratio from 0 to 1 (0.001) or a percentage (0.1%)");
  return share;
}

Burst parse_burst(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::optional<double> gap_ms =
      slash == std::string_view::npos ? std::nullopt : parse_decimal(text.substr(slash + 1));
  if (!gap_ms || *gap_ms < kShortestGapMs || *gap_ms > kLongestGapMs)
    throw BadValue(fmt::format(
        "must be N/GAP_MS, for example 64/10: messages at once, and the milliseconds from one time "
        "to the next, {:g} to {:.0f}",
        kShortestGapMs, kLongestGapMs));
  return {parse_whole(text.substr(0, slash), 1, kLargestBurst),
          static_cast<std::uint64_t>(std::llround(*gap_ms * 1e6))};
}

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
