#include "net/bind_advice.h"

#include <cerrno>
#include <fstream>

#include <fmt/format.h>

namespace cpss {

std::string bind_advice(const SocketAddress& address, int code) {
  switch (code) {
    case EADDRINUSE:
      return fmt::format(
          "another socket has this port: stop its program (ss -lunp 'sport = :{}' names it) or "
          "choose another port",
          address.port());
    case EACCES:
      return fmt::format(
          "port {} is privileged: choose one from 1024 up, grant CAP_NET_BIND_SERVICE or lower "
          "sysctl net.ipv4.ip_unprivileged_port_start",
          address.port());
    case EADDRNOTAVAIL:
      return "this host does not have that address now: 'ip address' lists those it has; if it is "
             "to come later, start again then, or listen before (CPSS_FREEBIND=1)";
    case ENODEV:
      return "its interface is gone: 'ip link' lists those there are";
    case EAFNOSUPPORT:
      return "this host has that address family switched off";
    case EINVAL:
      return "a link-local IPv6 address cannot be listened on without its interface: write it "
             "behind a %, as in [fe80::1%eth0]:7700";
    case EMFILE:
    case ENFILE:
      return "too many open files: raise 'ulimit -n'";
    default:
      return "see socket(7) and udp(7) for this error";
  }
}

bool without_ipv6() {
  char off = '0';
  if (!(std::ifstream("/proc/sys/net/ipv6/conf/all/disable_ipv6") >> off) || off != '1')
    return false;
  std::string any;
  return !(std::ifstream("/proc/net/if_inet6") >> any);
}

}  // namespace cpss
