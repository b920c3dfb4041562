#include "net/neighbours.h"

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <system_error>

#include <ifaddrs.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/open_descriptor.h"

namespace cpss {
namespace {

// A neighbour that answers at all does so sooner than this: until then it is not silent. In the
// kernel's unit for user space, USER_HZ.
constexpr std::uint32_t kSoon = 10;

// For each part of the answer; the kernel has it at hand.
constexpr timeval kLongestRead{1, 0};

[[noreturn]] void fail(int error) {
  throw std::system_error(error, std::generic_category(), "the kernel's neighbour table (netlink)");
}

std::optional<IpAddress> ip_of(int family, std::span<const std::byte> bytes) {
  if (family == AF_INET && bytes.size() == sizeof(in_addr)) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    std::memcpy(&v4.sin_addr, bytes.data(), sizeof v4.sin_addr);
    return SocketAddress::from(reinterpret_cast<const sockaddr*>(&v4), sizeof v4).ip();
  }
  IpAddress ip;
  if (family != AF_INET6 || bytes.size() != sizeof ip.bytes) return std::nullopt;
  std::memcpy(ip.bytes.data(), bytes.data(), sizeof ip.bytes);
  return ip;
}

// None: nothing that would tell.
std::optional<Reach> reach_of(unsigned state, std::uint32_t in_this_state_for) {
  constexpr unsigned kHasAddress =
      NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_NOARP | NUD_PERMANENT;
  if ((state & kHasAddress) != 0) return Reach::open;
  if ((state & NUD_FAILED) != 0) return Reach::silent;
  if ((state & NUD_INCOMPLETE) != 0 && in_this_state_for >= kSoon) return Reach::silent;
  return std::nullopt;
}

// The answer is a row of messages, and each of these a head and a row of attributes: what begins at
// `at`, where `Head` says its length; nothing where the row ends there.
template <typename Head>
struct Item {
  Head head;
  std::span<const std::byte> bytes;  // with the head
};
template <typename Head, typename Length>
std::optional<Item<Head>> item_at(std::span<const std::byte> row, std::size_t at,
                                  Length Head::*length) {
  Head head;
  if (at > row.size() || row.size() - at < sizeof head) return std::nullopt;
  std::memcpy(&head, row.data() + at, sizeof head);
  if (head.*length < sizeof head || head.*length > row.size() - at) return std::nullopt;
  return Item<Head>{head, row.subspan(at, head.*length)};
}

// Heads, messages and attributes begin at multiples of 4 (netlink(7), rtnetlink(7)).
constexpr std::size_t aligned(std::size_t bytes) {
  return (bytes + 3) / 4 * 4;
}

void read_entry(std::span<const std::byte> message, Neighbours& result) {
  ndmsg about;
  constexpr std::size_t kBegin = aligned(sizeof(nlmsghdr));
  if (message.size() < kBegin + sizeof about) return;
  std::memcpy(&about, message.data() + kBegin, sizeof about);
  std::optional<IpAddress> ip;
  std::uint32_t age = kSoon;
  std::size_t at = kBegin + aligned(sizeof about);
  while (const auto item = item_at(message, at, &rtattr::rta_len)) {
    at += aligned(item->bytes.size());
    const auto value = item->bytes.subspan(aligned(sizeof(rtattr)));
    if (item->head.rta_type == NDA_DST) {
      ip = ip_of(about.ndm_family, value);
    } else if (item->head.rta_type == NDA_CACHEINFO && value.size() >= sizeof(nda_cacheinfo)) {
      nda_cacheinfo times;
      std::memcpy(&times, value.data(), sizeof times);
      age = times.ndm_updated;
    }
  }
  const std::optional<Reach> reach = reach_of(about.ndm_state, age);
  if (ip && reach) result.entries.push_back({*ip, *reach});
}

void ask(int netlink) {
  struct {
    nlmsghdr header;
    ndmsg about;  // no family: all tables
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_GETNEIGH;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  if (::send(netlink, &request, sizeof request, 0) < 0) fail(errno);
}

// Returns false with the last message of the answer.
bool read_part(std::span<const std::byte> part, Neighbours& result) {
  std::size_t at = 0;
  while (const auto message = item_at(part, at, &nlmsghdr::nlmsg_len)) {
    at += aligned(message->bytes.size());
    if (message->head.nlmsg_type == NLMSG_DONE) return false;
    if (message->head.nlmsg_type == NLMSG_ERROR) {
      nlmsgerr error{};
      if (message->bytes.size() >= sizeof(nlmsghdr) + sizeof error)
        std::memcpy(&error, message->bytes.data() + sizeof(nlmsghdr), sizeof error);
      fail(error.error != 0 ? -error.error : EPROTO);
    }
    if (message->head.nlmsg_type == RTM_NEWNEIGH) read_entry(message->bytes, result);
  }
  return true;
}

void read_tables(Neighbours& result) {
  const OpenDescriptor netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (netlink.get() < 0) fail(errno);
  ::setsockopt(netlink.get(), SOL_SOCKET, SO_RCVTIMEO, &kLongestRead, sizeof kLongestRead);
  ask(netlink.get());
  std::array<std::byte, 32768> part;  // the kernel's largest
  for (bool more = true; more;) {
    const ssize_t size = ::recv(netlink.get(), part.data(), part.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) fail(size == 0 ? EPROTO : errno);
    more = read_part(std::span(part).first(static_cast<std::size_t>(size)), result);
  }
}

unsigned length_of(const IpAddress& mask) {
  unsigned bits = 0;
  for (const std::uint8_t byte : mask.bytes) bits += static_cast<unsigned>(std::popcount(byte));
  return bits;
}

// Where nobody is asked for a hardware address there are no silent neighbours.
void read_networks(Neighbours& result) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) fail(errno);
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    const auto own = SocketAddress::from(entry->ifa_addr, SocketAddress::kCapacity);
    if (own.family() == AF_UNSPEC) continue;
    result.entries.push_back({own.ip(), Reach::open});
    if (entry->ifa_netmask == nullptr ||
        (entry->ifa_flags & (IFF_LOOPBACK | IFF_NOARP | IFF_POINTOPOINT)) != 0)
      continue;
    if (own.family() == AF_INET) {
      sockaddr_in mask;
      std::memcpy(&mask, entry->ifa_netmask, sizeof mask);
      const auto bits = static_cast<unsigned>(std::popcount(mask.sin_addr.s_addr));
      result.networks.push_back({own.ip(), 96 + bits});
    } else {
      sockaddr_in6 mask;
      std::memcpy(&mask, entry->ifa_netmask, sizeof mask);
      IpAddress ip;
      std::memcpy(ip.bytes.data(), &mask.sin6_addr, sizeof ip.bytes);
      result.networks.push_back({own.ip(), length_of(ip)});
    }
  }
}

}  // namespace

Neighbours read_neighbours() {
  Neighbours result;
  read_tables(result);
  read_networks(result);
  return result;
}

}  // namespace cpss
