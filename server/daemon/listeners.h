// The server's sockets: opens them from the settings, or takes over inherited ones; reads their
// drops, and closes them to new datagrams at the end. Main thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"
#include "net/steering.h"
#include "net/udp_socket.h"

namespace cpss {

struct ListenerOptions {
  std::vector<ListenAddress> listen;  // at least one, unless some are inherited
  std::size_t buffer_bytes = 0;
  bool gro = false;
  bool gso = false;
  bool freebind = false;               // UdpSocketOptions
  std::optional<unsigned> dscp = {};   // UdpSocketOptions
  unsigned per_address = 1;            // sockets on each address, at least one
  Steering steering = Steering::hash;  // of datagrams over those
  std::vector<int> inherited;  // bound sockets to take instead of `listen`; then one per address
};

// The address as the kernel takes it. Throws SocketError: ENODEV if its interface is not there
// (yet).
SocketAddress address_of(const ListenAddress& address);

class Listeners {
 public:
  // Binds, or takes over, all sockets; or throws SocketError and has none.
  //
  // Several sockets on an address share its port; if that is 0, they share the port that the kernel
  // gives the first. It is an error (EADDRINUSE) if another program is bound to the port, with or
  // without SO_REUSEPORT, as it is for a single socket.
  explicit Listeners(const ListenerOptions& options);

  // Group by group: the first socket of each address, then the second of each, and so on. With A
  // addresses, group i has the sockets [i * A, (i + 1) * A).
  const std::vector<std::unique_ptr<UdpSocket>>& sockets() const noexcept { return sockets_; }
  // In the order of `listen`; for inherited sockets, each one's own address.
  std::vector<SocketAddress> addresses() const;
  std::vector<std::string> address_texts() const;
  bool inherited() const noexcept { return sockets_.front()->inherited(); }

  // Bytes that the buffers of all sockets may hold, as the kernel has granted them.
  std::uint64_t buffer_bytes() const noexcept;

  // Datagrams that the kernel dropped at our sockets since the last call; the first call counts
  // from the time when the sockets became ours.
  std::uint64_t read_drop_counter() noexcept;

  // Once it has returned, nothing new gets into the sockets' queues. False: the kernel refused that
  // for some socket, which goes on receiving. It leaves inherited sockets alone, and they do not
  // count: they outlive us, and the next server reads the datagrams that they go on gathering.
  bool stop_arrivals() noexcept;

  // To be called at the very end, when no lane reads the sockets any more. Once it has returned,
  // nothing reaches the sockets, as if they were closed. Returns, for the last time, the result of
  // read_drop_counter(), plus the datagrams that were still in the queues, which are lost with the
  // sockets. It leaves inherited sockets alone, with the datagrams that they hold.
  std::uint64_t last_drops() noexcept;

  // For the log: how much the sockets of each address hold, and how to get more if the kernel gave
  // less than was asked for.
  std::vector<std::string> buffer_notes() const;
  // For the log: which options of inherited sockets were changed (UdpSocket::notes()).
  std::vector<std::string> inherited_notes() const;

 private:
  void bind_groups(const ListenerOptions& options);

  std::size_t asked_bytes_;
  unsigned per_address_;
  std::vector<std::unique_ptr<UdpSocket>> sockets_;
  std::uint64_t dropped_ = 0;
};

}  // namespace cpss
