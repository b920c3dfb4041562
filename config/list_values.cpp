#include "config/list_values.h"

#include <algorithm>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

namespace cpss {
namespace {

constexpr std::string_view kBlanks = " \t";
constexpr unsigned kHighestCpu = 8191;  // Linux has 8,192 at most (NR_CPUS, arch/x86/Kconfig)
constexpr unsigned kV4Bits = 32;
constexpr unsigned kV6Bits = 128;
constexpr std::string_view kTwice = "is listed twice";

// An address, and the family in which it was written: ::ffff:192.0.2.1 is IPv6.
struct WrittenIp {
  ScopedAddress address;
  bool v4 = false;
  unsigned bits() const { return v4 ? kV4Bits : kV6Bits; }
};

std::optional<WrittenIp> parse_ip(std::string_view text) {
  constexpr std::string_view kNeverInAnEntry = "%[]";
  std::optional<ScopedAddress> address = ScopedAddress::parse(text);
  if (!address || address->interface.find_first_of(kNeverInAnEntry) != std::string::npos)
    return std::nullopt;
  return WrittenIp{*std::move(address), text.find(':') == std::string_view::npos};
}

std::string ip_text(const WrittenIp& ip) {
  const auto& [address, interface] = ip.address;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (!ip.v4) inet_ntop(AF_INET6, address.bytes.data(), text.data(), text.size());
  const std::string plain = ip.v4 ? address.to_string() : text.data();
  return interface.empty() ? plain : fmt::format("{}%{}", plain, interface);
}

// `ip` with all bits after the first `length` of its family cleared.
WrittenIp masked(WrittenIp ip, unsigned length) {
  auto& bytes = ip.address.ip.bytes;
  for (unsigned bit = kV6Bits - ip.bits() + length; bit < kV6Bits; ++bit)
    bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] & ~(0x80U >> (bit % 8)));
  return ip;
}

std::optional<unsigned> parse_number(std::string_view text, unsigned max) {
  unsigned number = 0;
  if (read_count(text, {0, max}, number)) return std::nullopt;
  return number;
}

// Whether the kernel would refuse to bind the later of the two (EADDRINUSE), in either order. It
// allows the wildcards of both families together, and a v4-mapped address is the IPv4 address.
bool one_covers_the_other(const AddressKey& a, const AddressKey& b) {
  return a.number == b.number && a.ip.is_v4() == b.ip.is_v4() &&
         (a.ip.is_unspecified() || b.ip.is_unspecified());
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
  const std::optional<WrittenIp> ip = parse_ip(host);
  if (!ip || ip->v4 == bracketed) return not_an_address;
  const std::optional<unsigned> port = parse_number(entry.substr(colon + 1), 65'535);
  if (!port) return not_an_address;
  if (ip->address.ip.is_link_local() && ip->address.interface.empty())
    return fmt::format(
        "is link-local, which means nothing without its interface, as in [{}%eth0]:{}",
        ip_text(*ip), *port);
  if (*port != 0) {  // each port 0 is another free port
    const AddressKey key{ip->address.ip, *port, ip->address.interface};
    if (!seen_.insert(key).second) return std::string(kTwice);
    for (const ListenAddress& other : addresses_)
      if (one_covers_the_other(key, {parse_ip(other.ip)->address.ip, other.port, {}}))
        return fmt::format(
            "cannot be listed beside {}: one of them is the wildcard, which covers the other",
            entry_texts(std::vector{other}).front());
  }
  addresses_.push_back({ip_text(*ip), static_cast<std::uint16_t>(*port)});
  return {};
}

Complaint ListReader<std::vector<AddressPrefix>>::add(std::string_view entry) {
  const std::size_t slash = entry.find('/');
  const std::optional<WrittenIp> ip = parse_ip(entry.substr(0, slash));
  if (!ip) return "is not an IP address or prefix";
  std::optional<unsigned> length = ip->bits();
  if (slash != std::string_view::npos) length = parse_number(entry.substr(slash + 1), ip->bits());
  if (!length) return fmt::format("has no length from 0 to {} behind the slash", ip->bits());
  const WrittenIp network = masked(*ip, *length);
  if (network.address.ip != ip->address.ip)
    return fmt::format("has bits beyond its length; the prefix is {}/{}", ip_text(network),
                       *length);
  if (!seen_.insert({network.address.ip, *length + kV6Bits - ip->bits(), ip->address.interface})
           .second)
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
