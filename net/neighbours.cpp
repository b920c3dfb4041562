#include "net/neighbours.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include "net/ip_of.h"
#include "net/netlink.h"

namespace cpss {
namespace {

// A neighbour that answers at all does so sooner than this: until then it does not count as silent.
// In the kernel's unit for user space, USER_HZ: 100 ms.
constexpr std::uint32_t kSoon = 10;

// Routes change rarely, and there may be very many.
constexpr std::chrono::seconds kRoutesKept{5};

// nullopt: the state does not tell.
std::optional<Reach> reach_of(unsigned state, std::uint32_t in_this_state_for) {
  constexpr unsigned kHasAddress =
      NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_NOARP | NUD_PERMANENT;
  if ((state & kHasAddress) != 0) return Reach::open;
  if ((state & NUD_FAILED) != 0) return Reach::silent;
  if ((state & NUD_INCOMPLETE) != 0 && in_this_state_for >= kSoon) return Reach::silent;
  return std::nullopt;
}

void read_entry(netlink::Bytes message, Neighbours& result) {
  ndmsg about;
  if (!netlink::begin_with(message, about)) return;
  std::optional<IpAddress> ip;
  std::uint32_t age = kSoon;
  netlink::for_each_attribute(netlink::behind<ndmsg>(message),
                              [&](std::uint16_t type, netlink::Bytes value) {
                                nda_cacheinfo times;
                                if (type == NDA_DST)
                                  ip = ip_of(about.ndm_family, value);
                                else if (type == NDA_CACHEINFO && netlink::begin_with(value, times))
                                  age = times.ndm_updated;
                              });
  const std::optional<Reach> reach = reach_of(about.ndm_state, age);
  if (ip && reach) result.entries.push_back({*ip, *reach});
}

void read_tables(Neighbours& result) {
  const ndmsg all_families{};
  netlink::dump(RTM_GETNEIGH, std::as_bytes(std::span(&all_families, 1)),
                [&](std::uint16_t type, netlink::Bytes message) {
                  if (type == RTM_NEWNEIGH) read_entry(message, result);
                });
}

// An interface on which the kernel asks for no hardware addresses has no silent neighbours.
bool asks_for_neighbours(const ifaddrs& interface) noexcept {
  return (interface.ifa_flags & (IFF_LOOPBACK | IFF_NOARP | IFF_POINTOPOINT)) == 0;
}

std::optional<Prefix> network_of(const ifaddrs& entry, const SocketAddress& own) {
  if (entry.ifa_netmask == nullptr) return std::nullopt;
  const auto mask = SocketAddress::from(entry.ifa_netmask, SocketAddress::kCapacity);
  if (mask.family() != own.family()) return std::nullopt;
  unsigned bits =
      own.family() == AF_INET ? IpAddress::kV4MappedBits - 16 : 0;  // mask.ip() has 16 of them set
  for (const std::uint8_t byte : mask.ip().bytes)
    bits += static_cast<unsigned>(std::popcount(byte));
  return Prefix{own.ip(), bits};
}

// Returns the interfaces on which the kernel asks for neighbours; puts their networks and the
// host's addresses into `result`.
std::vector<std::uint32_t> read_interfaces(Neighbours& result) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0)
    throw std::system_error(errno, std::generic_category(), "getifaddrs");
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
  std::vector<std::uint32_t> asking;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    if (entry->ifa_addr->sa_family == AF_PACKET && asks_for_neighbours(*entry)) {
      sockaddr_ll link;  // each interface has one
      std::memcpy(&link, entry->ifa_addr, sizeof link);
      asking.push_back(static_cast<std::uint32_t>(link.sll_ifindex));
    }
    const auto own = SocketAddress::from(entry->ifa_addr, SocketAddress::kCapacity);
    if (own.family() == AF_UNSPEC) continue;
    result.entries.push_back({own.ip(), Reach::open});
    const auto network = network_of(*entry, own);
    if (network && network->length != kLengthOfOneAddress && asks_for_neighbours(*entry))
      result.networks.push_back(*network);
  }
  return asking;
}

Prefix masked(Prefix prefix) noexcept {
  for (unsigned i = 0; i < prefix.ip.bytes.size(); ++i) {
    const unsigned bits = std::clamp(prefix.length, 8 * i, 8 * (i + 1)) - 8 * i;
    prefix.ip.bytes[i] &= static_cast<std::uint8_t>(0xff00 >> bits);
  }
  return prefix;
}

// The widest first: a ReachMap that has no room for all keeps the first ones.
void tidy(std::vector<Prefix>& networks) {
  for (Prefix& network : networks) network = masked(network);
  std::ranges::sort(networks, {},
                    [](const Prefix& network) { return std::pair(network.length, network.ip); });
  const auto repeated = std::ranges::unique(networks);
  networks.erase(repeated.begin(), repeated.end());
}

}  // namespace

Neighbours NeighbourReader::read() {
  Neighbours result;
  read_tables(result);
  const auto now = std::chrono::steady_clock::now();
  if (now >= next_routes_) {
    routes_ = link_routes();
    next_routes_ = now + kRoutesKept;
  }
  const std::vector<std::uint32_t> asking = read_interfaces(result);
  for (const LinkRoute& route : routes_)
    if (std::ranges::find(asking, route.interface) != asking.end())
      result.networks.push_back(route.to);
  tidy(result.networks);
  return result;
}

}  // namespace cpss
