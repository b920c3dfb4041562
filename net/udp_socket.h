// The real side of the seam: a bound UDP socket, ours or inherited, that never blocks its caller.
//
// Several lanes may call receive() and send() at once: one recvmmsg or sendmmsg each (a second
// sendmmsg after a refused packet), no allocation, at most kMaxPerCall arrivals or datagrams a
// call. The other functions are for set-up and for the main thread.
//
// send() lets datagrams that follow each other leave as one packet if they can (segmentation.h).
// If the kernel refuses such a packet, for any reason but a lack of room, send() sends its
// datagrams one by one in the same call: so an error always belongs to one datagram. If the way out
// cannot do it at all (EIO: no checksum offload, or IPsec), the socket tries again after a while
// (offload_pause.h): routes change, and replies take more than one.
//
// IPv4 leaves without DF, and ICMP messages about the path change nothing (IP_PMTUDISC_OMIT,
// ip(7)): an attacker who can forge them could otherwise turn every reply into a few fragments. If
// a path is really narrow, its router makes the fragments. For IPv6 no router does, so the kernel
// believes ICMP there, or clients behind a tunnel would get no long reply at all. A forged message
// can do little, since the kernel never makes fragments of less than 1,280 bytes (RFC 8200 section
// 5, RFC 8201).
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "net/datagram_socket.h"
#include "net/offload_pause.h"

namespace cpss {

// what() names the address and what to do; code() is the errno.
class SocketError : public std::runtime_error {
 public:
  SocketError(const std::string& what, int code) : std::runtime_error(what), code_(code) {}
  int code() const noexcept { return code_; }

 private:
  int code_;
};

struct UdpSocketOptions {
  std::size_t buffer_bytes = 4 << 20;  // asked for in each direction; the kernel may give less
  bool ipv6_only = true;               // AF_INET6: false also takes IPv4, as v4-mapped peers;
                                       // an inherited socket stays as it is
  // Segmentation offload (segmentation.h), if the kernel has it. Without it each datagram goes
  // through the kernel by itself.
  bool gro = false;  // UDP_GRO: several datagrams of one peer may come as one arrival
  bool gso = false;  // UDP_SEGMENT: several datagrams to one peer may leave as one packet
  // Joins the sockets that share this port already (share_port(); SO_REUSEPORT before bind). The
  // kernel spreads the datagrams over them (steering.h). It wants all of them bound under one
  // effective user (socket(7)), so bind them before you drop privileges.
  bool reuse_port = false;
  // Binds to an address that the host does not have yet (IP_FREEBIND, ip(7)).
  bool freebind = false;
  // Differentiated services code point of sent datagrams, 0 to 63 (RFC 2474); none: the kernel's
  // default, or the value that an inherited socket has.
  std::optional<unsigned> dscp = {};
};

// A socket that another program (a service manager) has opened, bound and handed to us.
struct InheritedDescriptor {
  int fd = -1;
};

// The buffers that the kernel gave: it may give less than was asked for.
struct SocketBufferInfo {
  std::size_t receive_bytes = 0;  // as the kernel accounts for it (twice what was set: socket(7))
  std::size_t send_bytes = 0;
  std::size_t receive_datagrams = 0;  // of 256 bytes that fit, as this kernel charges for them on
                                      // loopback; from a network card fewer may fit
};

// Extends a 32-bit counter of the kernel: `total` is what this function last returned, `now` the
// counter. The result is right across a wrap, as long as the counter is read once in 2^32 steps.
constexpr std::uint64_t extend_counter(std::uint64_t total, std::uint32_t now) noexcept {
  return total + static_cast<std::uint32_t>(now - static_cast<std::uint32_t>(total));
}

class UdpSocket final : public DatagramSocket {
 public:
  static constexpr std::size_t kMaxPerCall = 1024;

  // Binds. Asks for the local address of arrivals (IP_PKTINFO, IPV6_RECVPKTINFO) only if `address`
  // is a wildcard. Throws SocketError: EADDRNOTAVAIL if the host does not have the address now,
  // EAFNOSUPPORT if the host has no IPv6 at all, EINVAL if no reply can leave from the address.
  UdpSocket(const SocketAddress& address, const UdpSocketOptions& options);
  // Takes over a bound socket, with the datagrams that wait in it, and asks for the same; resets
  // options that would get in the way (inherited_options.h). From then on the socket is closed at
  // exec and with this object. Throws SocketError (EINVAL), and leaves the socket open, if it is no
  // bound IPv4 or IPv6 UDP socket, if no reply can leave from its address, or if it has an option
  // that cannot be reset.
  UdpSocket(InheritedDescriptor inherited, const UdpSocketOptions& options);
  ~UdpSocket() override;
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;

  ReceiveResult receive(std::span<const ReceiveBuffer> buffers,
                        std::span<Arrival> arrivals) noexcept override;
  SendResult send(std::span<const OutgoingDatagram> datagrams) noexcept override;
  void wait_writable(std::chrono::milliseconds longest) noexcept override;
  BufferUse send_buffer_use() const noexcept override;
  BufferUse receive_buffer_use() const noexcept override;
  int descriptor() const noexcept override { return fd_; }

  const SocketAddress& local_address() const noexcept { return local_; }  // with the real port
  // Arrivals may hold several datagrams, up to 64 KiB together.
  bool merges() const noexcept { return merges_; }
  // Max datagrams that leave as one packet; 1: each leaves by itself.
  std::size_t max_segments() const noexcept { return max_segments_; }
  bool wildcard() const noexcept { return wildcard_; }
  bool inherited() const noexcept { return inherited_; }
  // The options of an inherited socket that were reset, a line each, for the log.
  const std::vector<std::string>& notes() const noexcept { return notes_; }
  SocketBufferInfo buffer_info() const noexcept;
  // Both buffers together, as the kernel counts (socket(7)).
  std::size_t buffer_bytes() const noexcept;

  // From now on sockets with UdpSocketOptions::reuse_port can join this one. It was bound without
  // SO_REUSEPORT itself and so was alone on its port: the kernel refuses a second server on the
  // same port, even another cpss, as it does without groups. (socket(7) wants the option before
  // bind for every socket; in fact the kernel checks, when the next one binds, whether the first
  // one has it by then.) Still, any program of the same user that sets SO_REUSEPORT can join.
  // Throws SocketError.
  void share_port();

  // Datagrams the kernel dropped at this socket (SO_MEMINFO), extended to 64 bits: call at least
  // once in 2^32 drops. Includes drops before we took over the socket. One thread at a time.
  std::uint64_t kernel_dropped() noexcept;

  // From now on the kernel drops, and counts, datagrams that arrive (an SO_ATTACH_FILTER program
  // that accepts nothing: socket(7)); those that are queued already can still be received. False:
  // the kernel refused the program (errno says why) and datagrams go on arriving.
  bool stop_arrivals() noexcept;

  // From now on no new datagram finds this socket, as if it were closed (senders get ICMP port
  // unreachable), but kernel_dropped() can still be read. It connects the socket to its own
  // address, from which no other socket can send. False: the kernel refused, because that address
  // is gone.
  bool turn_away() noexcept;
  // Throws away the packets that wait in the socket, at most a million; returns how many.
  std::uint64_t discard_unread() noexcept;

 private:
  // Whether we need the control messages of arrivals: the local address, or the size of merged
  // datagrams.
  bool wants_control() const noexcept { return wildcard_ || merges_; }
  void set_path_options(const UdpSocketOptions& options, int fd, const SocketAddress& address,
                        bool takes_v4) const;
  void ask_for(const UdpSocketOptions& options, int fd, const SocketAddress& address);
  SendResult send_as_packets(std::span<const OutgoingDatagram> datagrams,
                             std::size_t max_segments) noexcept;

  int fd_ = -1;
  SocketAddress local_;
  bool wildcard_ = false;
  bool inherited_ = false;
  bool merges_ = false;
  std::vector<std::string> notes_;
  std::size_t max_segments_ = 1;
  OffloadPause offload_pause_;
  std::uint64_t dropped_ = 0;
};

}  // namespace cpss
