#include "net/inherited_options.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>

#include <fmt/format.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include "net/udp_socket.h"

namespace cpss {
namespace {

constexpr int kReceivePriority = 82;  // SO_RCVPRIORITY (asm-generic/socket.h, since Linux 6.14)

// Why an option is reset.
constexpr std::string_view kControl = "it takes the room of what we ask the kernel of a datagram";
constexpr std::string_view kErrors =
    "what it puts into the error queue nobody reads, and the socket would be ready for ever";
constexpr std::string_view kReplies = "replies would not leave as they are";
constexpr std::string_view kNotADatagram = "what is received would not be a datagram";
constexpr std::string_view kTheft = "any user's program could bind to the port and take datagrams";
constexpr std::string_view kBroadcast = "no reply goes to a broadcast address";
constexpr std::string_view kChecksums = "datagrams would go, or come, without a checksum";

struct Row {
  int level;
  int name;
  std::string_view text;
  std::string_view why;
};

// Options that are 0 on a socket that we open. SO_TIMESTAMP and its kind have two numbers each; the
// kernel reports the one that was set (linux/net_tstamp.h).
//
// Left alone, each for a reason:
// * the program that opened the socket decides: SO_BINDTODEVICE, SO_MARK, SO_PRIORITY, IP_TOS,
//   IP_TTL, IPV6_TCLASS, IPV6_UNICAST_HOPS, IP_MINTTL, IPV6_MINHOPCOUNT, IP_UNICAST_IF,
//   SO_MAX_PACING_RATE, IP_TRANSPARENT, IP_FREEBIND, IPV6_V6ONLY, IP_IPSEC_POLICY, SO_BUSY_POLL,
//   SO_REUSEPORT (of one user), and filters: datagrams that they reject count as kernel_dropped;
// * we set them anyway: buffers, IP_PKTINFO, UDP_GRO, IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, IPV6_MTU,
//   close-on-exec;
// * group memberships: AccessControl refuses datagrams that were sent to a group;
// * without effect on our calls: SO_RCVTIMEO, SO_SNDTIMEO (we never wait in a call), SO_RCVLOWAT,
//   SO_PEEK_OFF, SO_LINGER, SO_KEEPALIVE, multicast options of a sender; IP_HDRINCL is for raw
//   sockets.
constexpr auto kRows = std::to_array<Row>({
    {SOL_SOCKET, SO_TIMESTAMP_OLD, "SO_TIMESTAMP", kControl},
    {SOL_SOCKET, SO_TIMESTAMP_NEW, "SO_TIMESTAMP", kControl},
    {SOL_SOCKET, SO_TIMESTAMPNS_OLD, "SO_TIMESTAMPNS", kControl},
    {SOL_SOCKET, SO_TIMESTAMPNS_NEW, "SO_TIMESTAMPNS", kControl},
    {SOL_SOCKET, SO_TIMESTAMPING_OLD, "SO_TIMESTAMPING", kErrors},
    {SOL_SOCKET, SO_TIMESTAMPING_NEW, "SO_TIMESTAMPING", kErrors},
    {SOL_SOCKET, SO_RXQ_OVFL, "SO_RXQ_OVFL", kControl},
    {SOL_SOCKET, SO_RCVMARK, "SO_RCVMARK", kControl},
    {SOL_SOCKET, kReceivePriority, "SO_RCVPRIORITY", kControl},
    {SOL_SOCKET, SO_WIFI_STATUS, "SO_WIFI_STATUS", kErrors},
    {SOL_SOCKET, SO_BROADCAST, "SO_BROADCAST", kBroadcast},
    {SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR", kTheft},
    {SOL_SOCKET, SO_DONTROUTE, "SO_DONTROUTE", kReplies},
    {SOL_SOCKET, SO_NO_CHECK, "SO_NO_CHECK", kChecksums},
    {IPPROTO_IP, IP_RECVERR, "IP_RECVERR", kErrors},
    {IPPROTO_IP, IP_RECVERR_RFC4884, "IP_RECVERR_RFC4884", kErrors},
    {IPPROTO_IP, IP_RECVTTL, "IP_RECVTTL", kControl},
    {IPPROTO_IP, IP_RECVTOS, "IP_RECVTOS", kControl},
    {IPPROTO_IP, IP_RECVOPTS, "IP_RECVOPTS", kControl},
    {IPPROTO_IP, IP_RETOPTS, "IP_RETOPTS", kControl},
    {IPPROTO_IP, IP_RECVORIGDSTADDR, "IP_RECVORIGDSTADDR", kControl},
    {IPPROTO_IP, IP_RECVFRAGSIZE, "IP_RECVFRAGSIZE", kControl},
    {IPPROTO_IP, IP_PASSSEC, "IP_PASSSEC", kControl},
    {IPPROTO_IP, IP_CHECKSUM, "IP_CHECKSUM", kControl},
    {IPPROTO_IPV6, IPV6_RECVERR, "IPV6_RECVERR", kErrors},
    {IPPROTO_IPV6, IPV6_RECVERR_RFC4884, "IPV6_RECVERR_RFC4884", kErrors},
    {IPPROTO_IPV6, IPV6_RECVPATHMTU, "IPV6_RECVPATHMTU", kNotADatagram},
    {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, "IPV6_RECVHOPLIMIT", kControl},
    {IPPROTO_IPV6, IPV6_RECVTCLASS, "IPV6_RECVTCLASS", kControl},
    {IPPROTO_IPV6, IPV6_RECVRTHDR, "IPV6_RECVRTHDR", kControl},
    {IPPROTO_IPV6, IPV6_RECVHOPOPTS, "IPV6_RECVHOPOPTS", kControl},
    {IPPROTO_IPV6, IPV6_RECVDSTOPTS, "IPV6_RECVDSTOPTS", kControl},
    {IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, "IPV6_RECVORIGDSTADDR", kControl},
    {IPPROTO_IPV6, IPV6_RECVFRAGSIZE, "IPV6_RECVFRAGSIZE", kControl},
    {IPPROTO_IPV6, IPV6_2292PKTINFO, "IPV6_2292PKTINFO", kControl},
    {IPPROTO_IPV6, IPV6_2292HOPLIMIT, "IPV6_2292HOPLIMIT", kControl},
    {IPPROTO_IPV6, IPV6_2292RTHDR, "IPV6_2292RTHDR", kControl},
    {IPPROTO_IPV6, IPV6_2292HOPOPTS, "IPV6_2292HOPOPTS", kControl},
    {IPPROTO_IPV6, IPV6_2292DSTOPTS, "IPV6_2292DSTOPTS", kControl},
    {IPPROTO_IPV6, IPV6_DONTFRAG, "IPV6_DONTFRAG", kReplies},
    {IPPROTO_UDP, UDP_CORK, "UDP_CORK", kReplies},
    {IPPROTO_UDP, UDP_SEGMENT, "UDP_SEGMENT", kReplies},
    {IPPROTO_UDP, UDP_NO_CHECK6_TX, "UDP_NO_CHECK6_TX", kChecksums},
    {IPPROTO_UDP, UDP_NO_CHECK6_RX, "UDP_NO_CHECK6_RX", kChecksums},
    {IPPROTO_UDP, UDP_ENCAP, "UDP_ENCAP", kNotADatagram},
});

// Options that hold bytes for the packets we send; a socket that we open has none of them.
constexpr auto kPacketOptions = std::to_array<Row>({
    {IPPROTO_IP, IP_OPTIONS, "IP_OPTIONS", kReplies},
    {IPPROTO_IPV6, IPV6_RTHDR, "IPV6_RTHDR", kReplies},
    {IPPROTO_IPV6, IPV6_HOPOPTS, "IPV6_HOPOPTS", kReplies},
    {IPPROTO_IPV6, IPV6_DSTOPTS, "IPV6_DSTOPTS", kReplies},
    {IPPROTO_IPV6, IPV6_RTHDRDSTOPTS, "IPV6_RTHDRDSTOPTS", kReplies},
});

[[noreturn]] void refuse(const SocketAddress& address, const std::string& problem) {
  throw SocketError(
      fmt::format("cannot use the inherited socket {}: {}", address.to_string(), problem), EINVAL);
}

// nullopt if the kernel does not know the option, or not for this socket.
std::optional<int> value_of(int fd, const Row& row) noexcept {
  int value = 0;
  socklen_t size = sizeof value;
  if (::getsockopt(fd, row.level, row.name, &value, &size) != 0) return std::nullopt;
  return value;
}

bool is_set(int fd, const Row& row) noexcept {
  return value_of(fd, row).value_or(0) != 0;
}

bool has_bytes(int fd, const Row& row) noexcept {
  std::array<std::byte, 2048> bytes{};  // max IPv6 extension header (RFC 8200 section 4.2)
  socklen_t size = bytes.size();
  return ::getsockopt(fd, row.level, row.name, bytes.data(), &size) == 0 && size != 0;
}

void reset_one(int fd, const SocketAddress& address, const Row& row,
               bool (*is_on)(int, const Row&) noexcept, socklen_t size_of_none,
               std::vector<std::string>& notes) {
  if (!is_on(fd, row)) return;
  const int none = 0;
  const bool done = ::setsockopt(fd, row.level, row.name, &none, size_of_none) == 0;
  const int code = errno;
  if (is_on(fd, row))
    refuse(address, fmt::format("the option {} is set and cannot be reset ({}), but {}: have it "
                                "opened without",
                                row.text, done ? "it stays" : std::strerror(code), row.why));
  notes.push_back(fmt::format("inherited socket {}: {} was set, and is not any more: {}",
                              address.to_string(), row.text, row.why));
}

// We cannot just disconnect it: a socket that was connected without being bound would lose its
// port.
void refuse_connected(int fd, const SocketAddress& address) {
  SocketAddress peer;
  socklen_t size = SocketAddress::kCapacity;
  if (::getpeername(fd, peer.data(), &size) != 0) return;
  refuse(address, fmt::format("it is connected to {}, so nobody else could ask: have it opened "
                              "without connect(2)",
                              peer.to_string()));
}

// SO_TXTIME cannot be reset. The queueing discipline etf, which obeys it, drops a packet without a
// time to leave, and so each of our replies; with this flag each drop leaves an error in the error
// queue.
void refuse_timed(int fd, const SocketAddress& address) {
  sock_txtime timed{};
  socklen_t size = sizeof timed;
  if (::getsockopt(fd, SOL_SOCKET, SO_TXTIME, &timed, &size) != 0) return;
  if ((timed.flags & SOF_TXTIME_REPORT_ERRORS) == 0) return;
  refuse(address, fmt::format("the option SO_TXTIME is set with SOF_TXTIME_REPORT_ERRORS, but {}: "
                              "have it opened without",
                              kErrors));
}

// Entries that are in the error queue already would keep the socket ready (EPOLLERR) for ever.
// Setting IP_RECVERR to 0 removes the errors of both families, whether it was set or not. Time
// stamps of sent packets and notices of MSG_ZEROCOPY stay there, since Linux 6.2 or so, until they
// are read.
void discard_errors(int fd) noexcept {
  constexpr int kMax = 1'000'000;  // another process with this socket may go on sending
  const int off = 0;
  ::setsockopt(fd, IPPROTO_IP, IP_RECVERR, &off, sizeof off);
  for (int i = 0; i < kMax && ::recv(fd, nullptr, 0, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0; ++i) {
  }
  int pending = 0;
  socklen_t size = sizeof pending;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &size);
}

}  // namespace

std::vector<std::string> reset_inherited_options(int fd, const SocketAddress& address) {
  refuse_connected(fd, address);
  refuse_timed(fd, address);
  std::vector<std::string> notes;
  for (const Row& row : kRows) reset_one(fd, address, row, is_set, sizeof(int), notes);
  for (const Row& row : kPacketOptions) reset_one(fd, address, row, has_bytes, 0, notes);
  discard_errors(fd);
  return notes;
}

}  // namespace cpss
