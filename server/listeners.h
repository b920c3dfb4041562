// The server's sockets: opened from the settings, watched for drops, closed to new datagrams at the
// end. Main thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "config/settings.h"
#include "net/udp_socket.h"

namespace cpss {

class Listeners {
 public:
  // Binds every address of the settings or throws SocketError and binds none.
  explicit Listeners(const Settings& settings);

  const std::vector<std::unique_ptr<UdpSocket>>& sockets() const noexcept { return sockets_; }
  std::vector<SocketAddress> addresses() const;
  std::vector<std::string> address_texts() const;

  // Datagrams the kernel dropped at our sockets since the last call.
  std::uint64_t newly_dropped() noexcept;

  // From its return on nothing new gets into the sockets' queues. False: the kernel refused that
  // for some socket, which goes on receiving.
  bool stop_arrivals() noexcept;

  // For the log: what each socket's buffer holds, and how to get more where less was given than
  // asked.
  std::vector<std::string> buffer_notes() const;

 private:
  std::size_t asked_bytes_;
  std::vector<std::unique_ptr<UdpSocket>> sockets_;
  std::uint64_t dropped_ = 0;
};

}  // namespace cpss
