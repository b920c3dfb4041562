#include "net/routes.h"

#include <cerrno>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <system_error>

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "net/ip_of.h"
#include "net/netlink.h"

namespace cpss {
namespace {

struct Route {
  rtmsg head{};
  Prefix to;
  std::uint32_t interface = 0;  // 0: none, or several
  bool by_gateway = false;
};

std::optional<Route> route_in(netlink::Bytes message) {
  Route route;
  if (!netlink::begin_with(message, route.head)) return std::nullopt;
  const int family = route.head.rtm_family;
  const bool v4 = family == AF_INET;
  if ((!v4 && family != AF_INET6) || route.head.rtm_dst_len > (v4 ? 32 : 128)) return std::nullopt;
  if (v4) route.to.ip = ip_of(in_addr{});
  route.to.length = (v4 ? IpAddress::kV4MappedBits : 0) + route.head.rtm_dst_len;
  netlink::for_each_attribute(netlink::behind<rtmsg>(message),
                              [&](std::uint16_t type, netlink::Bytes value) {
                                if (type == RTA_DST)
                                  route.to.ip = ip_of(family, value).value_or(route.to.ip);
                                else if (type == RTA_OIF)
                                  netlink::begin_with(value, route.interface);
                                else if (type == RTA_GATEWAY || type == RTA_VIA)
                                  route.by_gateway = true;
                              });
  return route;
}

// An empty table may not exist in the kernel, and the kernel may lack a family.
bool says_that_there_are_none(int error) noexcept {
  return error == ENOENT || error == EOPNOTSUPP || error == EAFNOSUPPORT;
}

// Both families. `table`: RT_TABLE_UNSPEC for all.
void for_each_route(unsigned char table, unsigned char kind,
                    const std::function<void(const Route&)>& take) {
  const auto on_message = [&](std::uint16_t type, netlink::Bytes message) {
    const auto route = type == RTM_NEWROUTE ? route_in(message) : std::nullopt;
    if (route && route->head.rtm_type == kind &&
        (table == RT_TABLE_UNSPEC || route->head.rtm_table == table))
      take(*route);
  };
  for (const sa_family_t family : {sa_family_t{AF_INET}, sa_family_t{AF_INET6}}) {
    rtmsg wanted{};
    wanted.rtm_family = static_cast<unsigned char>(family);
    wanted.rtm_table = table;
    wanted.rtm_type = kind;
    try {
      netlink::dump(RTM_GETROUTE, std::as_bytes(std::span(&wanted, 1)), on_message);
    } catch (const std::system_error& error) {
      if (!says_that_there_are_none(error.code().value())) throw;
    }
  }
}

}  // namespace

std::vector<Prefix> local_routes() {
  std::vector<Prefix> found;
  for_each_route(RT_TABLE_LOCAL, RTN_LOCAL, [&](const Route& route) { found.push_back(route.to); });
  return found;
}

std::vector<LinkRoute> link_routes() {
  std::vector<LinkRoute> found;
  for_each_route(RT_TABLE_UNSPEC, RTN_UNICAST, [&](const Route& route) {
    if (!route.by_gateway && route.interface != 0 && !route.to.ip.is_multicast())
      found.push_back({route.to, route.interface});
  });
  return found;
}

}  // namespace cpss
