#include "net/control_messages.h"

#include <cstring>
#include <optional>

#include <netinet/udp.h>

#include "net/ip_of.h"

namespace cpss {
namespace {

// The data of the message; nullopt if it is of another kind, or was cut.
template <typename Info>
std::optional<Info> carried(const cmsghdr& message, int level, int type) noexcept {
  if (message.cmsg_level != level || message.cmsg_type != type) return std::nullopt;
  if (message.cmsg_len < CMSG_LEN(sizeof(Info))) return std::nullopt;
  Info info;
  std::memcpy(&info, CMSG_DATA(&message), sizeof info);
  return info;
}

// ipi_addr is the header's destination, ipi_spec_dst the address a reply leaves from: they differ
// for a broadcast or multicast destination only (ip(7)).
void take(const in_pktinfo& info, Arrival& arrival) noexcept {
  arrival.local.ip = ip_of(info.ipi_spec_dst);
  arrival.to_group = info.ipi_addr.s_addr != info.ipi_spec_dst.s_addr;
  if (info.ipi_spec_dst.s_addr != INADDR_ANY) return;
  // The datagram came into an inherited socket before we asked for IP_PKTINFO. Then we do not see
  // that it was sent to the broadcast address of a network, but the kernel refuses to send the
  // reply from there.
  arrival.local.ip = ip_of(info.ipi_addr);
  arrival.to_group = arrival.local.ip.is_multicast() || arrival.local.ip.is_broadcast();
}

void take(const in6_pktinfo& info, Arrival& arrival) noexcept {
  // For an IPv4 datagram, the IP_PKTINFO message beside this one says more.
  if (IN6_IS_ADDR_V4MAPPED(&info.ipi6_addr)) return;
  arrival.to_group = IN6_IS_ADDR_MULTICAST(&info.ipi6_addr);
  if (arrival.to_group) return;  // no source address: the kernel chooses one for a reply
  arrival.local.ip = ip_of(info.ipi6_addr);
  // Only a link-local address needs its interface. With any other address, the interface would
  // force the reply out where the request came in, past the routing table: the reply is lost if
  // the way back is another one.
  if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) arrival.local.interface = info.ipi6_ifindex;
}

template <typename Info>
std::size_t write_one(std::byte* control, int level, int type, const Info& info) noexcept {
  auto* item = reinterpret_cast<cmsghdr*>(control);
  item->cmsg_level = level;
  item->cmsg_type = type;
  item->cmsg_len = CMSG_LEN(sizeof info);
  std::memcpy(CMSG_DATA(item), &info, sizeof info);
  return CMSG_SPACE(sizeof info);
}

// An AF_INET6 socket takes the source address for a v4-mapped peer in IPv6 form, v4-mapped, too.
std::size_t write_source_address(std::byte* control, sa_family_t family,
                                 const LocalAddress& local) noexcept {
  if (family == AF_INET6) {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, local.ip.bytes.data(), sizeof info.ipi6_addr);
    info.ipi6_ifindex = local.interface;
    return write_one(control, IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
  in_pktinfo info{};
  std::memcpy(&info.ipi_spec_dst, local.ip.bytes.data() + IpAddress::kV4Offset,
              sizeof info.ipi_spec_dst);
  info.ipi_ifindex = static_cast<int>(local.interface);
  return write_one(control, IPPROTO_IP, IP_PKTINFO, info);
}

}  // namespace

void read_control(msghdr& header, Arrival& arrival) noexcept {
  arrival.control_cut = (header.msg_flags & MSG_CTRUNC) != 0;
  const auto* const end = static_cast<const std::byte*>(header.msg_control) + header.msg_controllen;
  for (cmsghdr* item = CMSG_FIRSTHDR(&header); item != nullptr; item = CMSG_NXTHDR(&header, item)) {
    if (item->cmsg_len > static_cast<std::size_t>(end - reinterpret_cast<const std::byte*>(item)))
      return;
    if (const auto v4 = carried<in_pktinfo>(*item, IPPROTO_IP, IP_PKTINFO))
      take(*v4, arrival);
    else if (const auto v6 = carried<in6_pktinfo>(*item, IPPROTO_IPV6, IPV6_PKTINFO))
      take(*v6, arrival);
    else if (const auto bytes = carried<int>(*item, IPPROTO_UDP, UDP_GRO))
      arrival.segment_size = static_cast<std::uint32_t>(*bytes);
  }
}

std::size_t write_control(std::byte* control, sa_family_t family,
                          std::span<const OutgoingDatagram> packet) noexcept {
  const OutgoingDatagram& first = packet.front();
  std::size_t used = 0;
  if (first.local != nullptr && first.local->known())
    used = write_source_address(control, family, *first.local);
  if (packet.size() > 1)
    used +=
        write_one(control + used, IPPROTO_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(first.size));
  return used;
}

}  // namespace cpss
