#include "config/list_values.h"

#include <algorithm>
#include <cstring>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/if.h>
#include <netinet/in.h>

namespace cpss {
namespace {

constexpr std::string_view kBlanks = " \t";
constexpr unsigned kHighestCpu = 8191;  // Linux has 8,192 at most (NR_CPUS, arch/x86/Kconfig)
constexpr unsigned kV4Bits = 32;
constexpr unsigned kV6Bits = 128;
constexpr std::string_view kTwice = "is listed twice";

struct ParsedIp {
  std::array<std::uint8_t, 16> bytes{};  // IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2)
  bool v4 = false;
  std::string interface {};  // behind a % (RFC 4007 section 11); only of a link-local address
  unsigned bits() const { return v4 ? kV4Bits : kV6Bits; }
  bool link_local() const { return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80; }  // fe80::/10
};

// A name that an interface may have, or its number.
bool may_be_interface(std::string_view text) {
  constexpr std::string_view kNeverInAName = "/:%[] \t\n\v\f\r";
  return !text.empty() && text.size() < IF_NAMESIZE &&
         text.find_first_of(kNeverInAName) == std::string_view::npos;
}

std::optional<ParsedIp> parse_plain_ip(std::string_view text) {
  if (text.size() >= INET6_ADDRSTRLEN) return std::nullopt;  // also keeps out embedded zeros below
  const std::string terminated(text);
  if (terminated.find('\0') != std::string::npos) return std::nullopt;
  ParsedIp ip;
  if (inet_pton(AF_INET6, terminated.c_str(), ip.bytes.data()) == 1) return ip;
  ip.v4 = true;
  ip.bytes[10] = ip.bytes[11] = 0xff;
  if (inet_pton(AF_INET, terminated.c_str(), ip.bytes.data() + 12) == 1) return ip;
  return std::nullopt;
}

std::optional<ParsedIp> parse_ip(std::string_view text) {
  const std::size_t percent = text.find('%');
  std::optional<ParsedIp> ip = parse_plain_ip(text.substr(0, percent));
  if (!ip || percent == std::string_view::npos) return ip;
  const std::string_view interface = text.substr(percent + 1);
  if (!ip->link_local() || !may_be_interface(interface)) return std::nullopt;
  ip->interface = interface;
  return ip;
}

std::string ip_text(const ParsedIp& ip) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(ip.v4 ? AF_INET : AF_INET6, ip.bytes.data() + (ip.v4 ? 12 : 0), text.data(),
            text.size());
  return ip.interface.empty() ? std::string(text.data())
                              : fmt::format("{}%{}", text.data(), ip.interface);
}

// `ip` with all bits after the first `length` of its family cleared.
ParsedIp masked(ParsedIp ip, unsigned length) {
  for (unsigned bit = kV6Bits - ip.bits() + length; bit < kV6Bits; ++bit)
    ip.bytes[bit / 8] = static_cast<std::uint8_t>(ip.bytes[bit / 8] & ~(0x80U >> (bit % 8)));
  return ip;
}

std::optional<unsigned> parse_number(std::string_view text, unsigned max) {
  unsigned number = 0;
  if (read_count(text, {0, max}, number)) return std::nullopt;
  return number;
}

// The kernel would refuse the second of the two, whichever that is (EADDRINUSE). The wildcards of
// the two families go together, and a v4-mapped address is the IPv4 address.
bool one_covers_the_other(const AddressKey& a, const AddressKey& b) {
  constexpr std::array<std::uint8_t, 16> kV4Wildcard{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  constexpr std::array<std::uint8_t, 16> kV6Wildcard{};
  const auto is_v4 = [&](const AddressKey& key) {
    return std::equal(key.ip.begin(), key.ip.begin() + 12, kV4Wildcard.begin());
  };
  const std::array<std::uint8_t, 16>& wildcard = is_v4(a) ? kV4Wildcard : kV6Wildcard;
  return a.number == b.number && is_v4(a) == is_v4(b) && (a.ip == wildcard || b.ip == wildcard);
}

}  // namespace

std::vector<std::string_view> split_at_commas(std::string_view list) {
  std::vector<std::string_view> entries;
  for (;;) {
    const std::size_t comma = list.find(',');
    std::string_view entry = list.substr(0, comma);
    entry.remove_prefix(std::min(entry.find_first_not_of(kBlanks), entry.size()));
    entry = entry.substr(0, entry.find_last_not_of(kBlanks) + 1);
    entries.push_back(entry);
    if (comma == std::string_view::npos) return entries;
    list.remove_prefix(comma + 1);
  }
}

Complaint ListReader<std::vector<unsigned>>::add(std::string_view entry) {
  const std::size_t dash = entry.find('-');
  const std::optional<unsigned> first = parse_number(entry.substr(0, dash), kHighestCpu);
  const std::optional<unsigned> last =
      dash == std::string_view::npos ? first : parse_number(entry.substr(dash + 1), kHighestCpu);
  if (!first || !last) return "is not a CPU or a range of CPUs";
  if (*first > *last) return "is a range that ends before it begins";
  Complaint complaint;
  for (unsigned cpu = *first; cpu <= *last; ++cpu)
    if (!cpus_.insert(cpu).second && !complaint)
      complaint = fmt::format("lists CPU {} a second time", cpu);
  return complaint;
}

Complaint ListReader<std::vector<ListenAddress>>::add(std::string_view entry) {
  const Complaint not_an_address = "is not an IP address with a port";
  const std::size_t colon = entry.rfind(':');
  if (colon == std::string_view::npos) return not_an_address;
  std::string_view host = entry.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']') && host.size() > 2;
  if (bracketed) host = host.substr(1, host.size() - 2);
  const std::optional<ParsedIp> ip = parse_ip(host);
  if (!ip || ip->v4 == bracketed) return not_an_address;
  const std::optional<unsigned> port = parse_number(entry.substr(colon + 1), 65'535);
  if (!port) return not_an_address;
  if (ip->link_local() && ip->interface.empty())
    return fmt::format(
        "is link-local, which means nothing without its interface, as in [{}%eth0]:{}",
        ip_text(*ip), *port);
  if (*port != 0) {  // each port 0 is another free port
    const AddressKey key{ip->bytes, *port, ip->interface};
    if (!seen_.insert(key).second) return std::string(kTwice);
    for (const ListenAddress& other : addresses_)
      if (one_covers_the_other(key, {parse_ip(other.ip)->bytes, other.port, {}}))
        return fmt::format(
            "cannot be listed beside {}: one of them is the wildcard, which covers the other",
            entry_texts(std::vector{other}).front());
  }
  addresses_.push_back({ip_text(*ip), static_cast<std::uint16_t>(*port)});
  return {};
}

Complaint ListReader<std::vector<AddressPrefix>>::add(std::string_view entry) {
  const std::size_t slash = entry.find('/');
  const std::optional<ParsedIp> ip = parse_ip(entry.substr(0, slash));
  if (!ip) return "is not an IP address or prefix";
  std::optional<unsigned> length = ip->bits();
  if (slash != std::string_view::npos) length = parse_number(entry.substr(slash + 1), ip->bits());
  if (!length) return fmt::format("has no length from 0 to {} behind the slash", ip->bits());
  const ParsedIp network = masked(*ip, *length);
  if (network.bytes != ip->bytes)
    return fmt::format("has bits beyond its length; the prefix is {}/{}", ip_text(network),
                       *length);
  if (!seen_.insert({network.bytes, *length + kV6Bits - ip->bits(), ip->interface}).second)
    return std::string(kTwice);
  prefixes_.push_back({ip_text(*ip), *length});
  return {};
}

std::vector<std::string> entry_texts(const std::vector<unsigned>& cpus) {
  std::vector<std::string> texts;
  for (auto first = cpus.begin(); first != cpus.end();) {
    auto last = first;
    while (last + 1 != cpus.end() && *(last + 1) == *last + 1) ++last;
    texts.push_back(first == last ? fmt::format("{}", *first)
                                  : fmt::format("{}-{}", *first, *last));
    first = last + 1;
  }
  return texts;
}

std::vector<std::string> entry_texts(const std::vector<ListenAddress>& addresses) {
  std::vector<std::string> texts;
  for (const auto& [ip, port] : addresses)
    texts.push_back(ip.find(':') == std::string::npos ? fmt::format("{}:{}", ip, port)
                                                      : fmt::format("[{}]:{}", ip, port));
  return texts;
}

std::vector<std::string> entry_texts(const std::vector<AddressPrefix>& prefixes) {
  std::vector<std::string> texts;
  for (const auto& [ip, length] : prefixes) {
    const unsigned bits = ip.find(':') == std::string::npos ? kV4Bits : kV6Bits;
    texts.push_back(length == bits ? ip : fmt::format("{}/{}", ip, length));
  }
  return texts;
}

}  // namespace cpss
