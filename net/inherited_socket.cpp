#include "net/inherited_socket.h"

#include <cerrno>
#include <optional>

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "net/udp_socket.h"

namespace cpss {
namespace {

[[noreturn]] void refuse(int fd, const char* what_it_is) {
  throw SocketError(
      fmt::format("cannot use the inherited descriptor {}: it is {}, and a bound IPv4 or IPv6 UDP "
                  "socket is wanted: in a systemd socket unit 'ListenDatagram=' with an IP address "
                  "and a port",
                  fd, what_it_is),
      EINVAL);
}

// nullopt if the descriptor is not a socket.
std::optional<int> socket_fact(int fd, int name) noexcept {
  int value = 0;
  socklen_t size = sizeof value;
  if (::getsockopt(fd, SOL_SOCKET, name, &value, &size) != 0) return std::nullopt;
  return value;
}

}  // namespace

SocketAddress address_of_inherited(int fd) {
  const auto type = socket_fact(fd, SO_TYPE);
  if (!type) refuse(fd, errno == EBADF ? "not open" : "not a socket");
  const int family = socket_fact(fd, SO_DOMAIN).value_or(AF_UNSPEC);
  if (family != AF_INET && family != AF_INET6)
    refuse(fd, family == AF_UNIX ? "a local (UNIX) socket" : "not an internet socket");
  if (*type == SOCK_STREAM) refuse(fd, "a stream socket ('ListenStream=')");
  if (*type != SOCK_DGRAM || socket_fact(fd, SO_PROTOCOL) != IPPROTO_UDP)
    refuse(fd, "a socket of another protocol");

  SocketAddress address;
  socklen_t size = SocketAddress::kCapacity;
  if (::getsockname(fd, address.data(), &size) != 0 || address.port() == 0)
    refuse(fd, "not bound to a port");
  return address;
}

}  // namespace cpss
