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

#include "base/file_descriptor.h"

namespace cpss {

// A variable of the manager's that cannot be right; what() names it, its value, and what is wrong.
class ServiceManagerError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct InheritedSockets {
  std::vector<int> sockets;  // close-on-exec and the caller's to close
  std::string warning;       // of sockets that are for another process; empty: there is nothing
};

// The descriptors that LISTEN_FDS and LISTEN_PID say are for this process; none where they are for
// another one. What kind of sockets they are, and in which mode, is for the caller to find out.
// `environment`: an environ(7) array.
//
// To be called once, before threads are started: in any case it takes these variables out of the
// process's own environment, so that no child of ours takes the sockets for its own. Throws
// ServiceManagerError.
InheritedSockets inherited_sockets(const char* const* environment);

// Without a manager, where NOTIFY_SOCKET is not set, there is nobody to tell, and that is no
// failure. Nor is a NOTIFY_SOCKET that is no address of a Unix socket (vsock: is not supported),
// but the manager then waits in vain: warning().
class ServiceManager {
 public:
  // Throws ServiceManagerError, or std::system_error if there is no socket to be had.
  explicit ServiceManager(const char* const* environment);

  // For the log; empty: there is nothing to warn of.
  const std::string& warning() const noexcept { return warning_; }

  // Each sends one datagram and never waits: from a manager that does not read, whose queue is
  // full, it is kept for retry(). False: this one was not heard, and the one before was (errno says
  // why), so that whoever logs each false writes one line about a manager that stays away. `line`:
  // for people.
  //
  // A time to stop that the manager has set is over no earlier than `another` from now.
  bool ready(std::string_view line);
  bool stopping(std::string_view line, std::chrono::microseconds another);
  bool still_stopping(std::chrono::microseconds another);
  bool alive();

  // Sends once more what was not heard: the last of ready() and stopping(), and alive(). To be
  // called several times a second. True: now the manager has heard what it had missed.
  bool retry();

  // How long the manager waits for alive() before it takes us for hung; none: it does not look.
  std::optional<std::chrono::nanoseconds> watchdog() const noexcept { return watchdog_; }

 private:
  bool send(std::string_view assignments);
  bool tell(std::string_view assignments);
  bool tell_state(std::string assignments);

  FileDescriptor socket_;  // not valid: no manager
  sockaddr_un address_{};
  socklen_t address_length_ = 0;
  std::string warning_;
  bool lost_ = false;       // the last datagram
  std::string owed_state_;  // of ready() or stopping(), not heard yet
  bool owes_alive_ = false;
  std::optional<std::chrono::nanoseconds> watchdog_;
};

}  // namespace cpss
