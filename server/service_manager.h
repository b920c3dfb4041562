// The service manager that has started us, systemd or one that talks as it does: the sockets it has
// opened for us, and what we tell it (sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3)).
// Main thread.
#pragma once

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <sys/socket.h>
#include <sys/un.h>

#include "stats/file_descriptor.h"

namespace cpss {

// A variable of the manager's that cannot be right; what() names it, its value, and what is wrong.
class ServiceManagerError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The descriptors that LISTEN_FDS and LISTEN_PID say are for this process, now close-on-exec and
// the caller's to close; none where they are for another one. What kind of sockets they are, and
// in which mode, is for the caller to find out. `environment`: an environ(7) array.
//
// To be called once, before threads are started: in any case it takes these variables out of the
// process's own environment, so that no child of ours takes the sockets for its own. Throws
// ServiceManagerError.
std::vector<int> inherited_sockets(const char* const* environment);

// Without a manager there is nobody to tell, and that is no failure: NOTIFY_SOCKET is not set, or
// is no address of a Unix socket (vsock: is not supported).
class ServiceManager {
 public:
  // Throws ServiceManagerError, or std::system_error if there is no socket to be had.
  explicit ServiceManager(const char* const* environment);

  // Each sends one datagram and never waits: with a manager that does not read, it is lost. False:
  // this one was lost, and the one before was not (errno says why), so that whoever logs each false
  // writes one line about a manager that stays away. `line`: for people.
  bool ready(std::string_view line);
  bool stopping(std::string_view line);
  bool alive();

  // How long the manager waits for alive() before it takes us for hung; none: it does not look.
  std::optional<std::chrono::nanoseconds> watchdog() const noexcept { return watchdog_; }

 private:
  bool tell(std::string_view assignments);

  FileDescriptor socket_;  // not valid: no manager
  sockaddr_un address_{};
  socklen_t address_length_ = 0;
  bool lost_ = false;  // the last datagram
  std::optional<std::chrono::nanoseconds> watchdog_;
};

}  // namespace cpss
