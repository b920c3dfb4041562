#include "net/local_routes.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "net/open_descriptor.h"

namespace cpss {
namespace {

constexpr unsigned kV4MappedBits = 96;

struct Request {
  nlmsghdr header;
  rtmsg route;
};

bool ask(int fd, sa_family_t family) noexcept {
  // The kernel then leaves out other tables by itself (since Linux 4.20): a router has many routes.
  const int on = 1;
  ::setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  Request request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_GETROUTE;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.route.rtm_family = static_cast<unsigned char>(family);
  request.route.rtm_table = RT_TABLE_LOCAL;
  return ::send(fd, &request, sizeof request, 0) == static_cast<ssize_t>(sizeof request);
}

// The bytes that are there must be looked at before each step; the kernel is believed no more than
// that.
template <typename Value>
bool read_at(std::span<const std::byte> bytes, std::size_t at, Value& value) noexcept {
  if (at > bytes.size() || bytes.size() - at < sizeof value) return false;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return true;
}

// The route's prefix, if it is one of those looked for.
void add_route(std::span<const std::byte> message, std::vector<Prefix>& found) {
  rtmsg route;
  if (!read_at(message, 0, route) || route.rtm_type != RTN_LOCAL ||
      route.rtm_table != RT_TABLE_LOCAL)
    return;
  const bool v4 = route.rtm_family == AF_INET;
  const std::size_t bytes = v4 ? sizeof(in_addr) : sizeof(in6_addr);
  if (route.rtm_dst_len > 8 * bytes) return;
  Prefix prefix{IpAddress(), (v4 ? kV4MappedBits : 0) + route.rtm_dst_len};
  if (v4) prefix.ip.bytes[10] = prefix.ip.bytes[11] = 0xff;
  rtattr attribute;
  for (std::size_t at = NLMSG_ALIGN(sizeof route); read_at(message, at, attribute);
       at += RTA_ALIGN(attribute.rta_len)) {
    if (attribute.rta_len < sizeof attribute || attribute.rta_len > message.size() - at) return;
    if (attribute.rta_type != RTA_DST || attribute.rta_len != RTA_LENGTH(bytes)) continue;
    std::memcpy(prefix.ip.bytes.data() + (sizeof(IpAddress) - bytes),
                message.data() + at + RTA_LENGTH(0), bytes);
    found.push_back(prefix);
    return;
  }
}

// False: there is more to come.
bool last(std::span<const std::byte> answer, std::vector<Prefix>& found) {
  nlmsghdr header;
  for (std::size_t at = 0; read_at(answer, at, header); at += NLMSG_ALIGN(header.nlmsg_len)) {
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > answer.size() - at) return true;
    if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR) return true;
    if (header.nlmsg_type == RTM_NEWROUTE)
      add_route(answer.subspan(at + NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN), found);
  }
  return false;
}

}  // namespace

std::vector<Prefix> local_routes() {
  std::vector<Prefix> found;
  for (const sa_family_t family : {sa_family_t{AF_INET}, sa_family_t{AF_INET6}}) {
    const OpenDescriptor netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (netlink.get() < 0 || !ask(netlink.get(), family)) continue;
    for (;;) {
      std::array<std::byte, 32 << 10> answer;  // more than the kernel puts into one
      const ssize_t size = ::recv(netlink.get(), answer.data(), answer.size(), 0);
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) break;
      if (last(std::span(answer).first(static_cast<std::size_t>(size)), found)) break;
    }
  }
  return found;
}

}  // namespace cpss
