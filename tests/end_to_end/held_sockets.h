// Bound sockets that a test holds as a service manager does: it hands them to one server after the
// other, and between servers they go on gathering datagrams.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/file_descriptor.h"
#include "net/address.h"

namespace cpss {

class HeldSockets {
 public:
  // One on a free port of each of these addresses. Throws std::system_error.
  explicit HeldSockets(const std::vector<std::string>& ips);

  const SocketAddress& address(std::size_t socket = 0) const { return addresses_.at(socket); }
  // For setting options, as another program might.
  int descriptor(std::size_t socket = 0) const { return sockets_.at(socket).get(); }
  // A command that hands them over (LISTEN_FDS) and executes `command` in its own process. It takes
  // CPSS_LISTEN, which ServerProcess sets, out of the environment; for a server that is to have it
  // all the same `command` begins with env(1).
  std::vector<std::string> hand_to(std::vector<std::string> command) const;
  // Whether datagrams wait in one of them; waits for some, at most `longest`.
  bool readable(std::chrono::milliseconds longest = std::chrono::milliseconds(0)) const;

 private:
  std::vector<SocketAddress> addresses_;
  std::vector<FileDescriptor> sockets_;
};

}  // namespace cpss
