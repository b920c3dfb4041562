// The server's sockets: opened from the settings, or inherited; watched for drops, closed to new
// datagrams at the end. Main thread.
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

// As the kernel takes it. Throws SocketError: ENODEV where its interface is not there (yet).
SocketAddress address_of(const ListenAddress& address);

class Listeners {
 public:
  // Binds, or takes over, all of them or throws SocketError and has none.
  //
  // Several sockets on an address share its port; where it is 0, the one the first was given.
  // Another program that is bound to it, with or without SO_REUSEPORT, is an error (EADDRINUSE), as
  // it is for a single socket.
  explicit Listeners(const ListenerOptions& options);

  // Lane by lane: the first socket of each address, then the second of each, and so on. With A
  // addresses those of lane i are [i * A, (i + 1) * A).
  const std::vector<std::unique_ptr<UdpSocket>>& sockets() const noexcept { return sockets_; }
  // In the order of `listen`; of inherited sockets, each one's own.
  std::vector<SocketAddress> addresses() const;
  std::vector<std::string> address_texts() const;
  bool inherited() const noexcept { return sockets_.front()->inherited(); }

  // What all buffers of the sockets may hold, as the kernel has granted them.
  std::uint64_t buffer_bytes() const noexcept;

  // Datagrams the kernel dropped at our sockets since the last call, or since they are ours.
  std::uint64_t read_drop_counter() noexcept;

  // From its return on nothing new gets into the sockets' queues. False: the kernel refused that
  // for some socket, which goes on receiving. Inherited sockets are left alone and do not count:
  // they outlive us, and the next start reads what they go on gathering.
  bool stop_arrivals() noexcept;

  // At the very end, when nobody reads the sockets any more: from its return on nothing reaches
  // them, as if they were closed. Returns what read_drop_counter() does, for the last time, and how
  // many datagrams were still in the queues, which are lost with the sockets. Inherited sockets are
  // left alone, with what they hold.
  std::uint64_t last_drops() noexcept;

  // For the log: what the sockets of each address hold, and how to get more where less was given
  // than asked.
  std::vector<std::string> buffer_notes() const;
  // For the log: what was changed of inherited sockets (UdpSocket::notes()).
  std::vector<std::string> inherited_notes() const;

 private:
  void bind_groups(const ListenerOptions& options);

  std::size_t asked_bytes_;
  unsigned per_address_;
  std::vector<std::unique_ptr<UdpSocket>> sockets_;
  std::uint64_t dropped_ = 0;
};

}  // namespace cpss
