// The service manager that has started the server, systemd or one with the same protocol: the
// sockets that it has opened for us, and what we tell it (sd_listen_fds(3), sd_notify(3),
// sd_watchdog_enabled(3)). Main thread.
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

// A variable that the manager has set wrongly; what() names it, its value, and the problem.
class ServiceManagerError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct InheritedSockets {
  std::vector<int> sockets;  // close-on-exec; the caller closes them
  std::string warning;       // about sockets that are for another process; empty: there are none
};

// The descriptors that LISTEN_FDS and LISTEN_PID say are for this process; none if they are for
// another one. The caller has to find out what kind of sockets they are, and in which mode.
// `environment`: an environ(7) array.
//
// To be called once, before threads are started: in any case it takes these variables out of the
// process's own environment, so that no child of ours takes the sockets for its own. Throws
// ServiceManagerError.
InheritedSockets inherited_sockets(const char* const* environment);

// Without a manager NOTIFY_SOCKET is not set: then there is no manager to tell, and that is no
// failure. A NOTIFY_SOCKET that is not the address of a Unix socket (vsock: is not supported) is no
// failure either, but the manager then waits in vain: warning().
class ServiceManager {
 public:
  // Throws ServiceManagerError, or std::system_error if no socket can be made.
  explicit ServiceManager(const char* const* environment);

  // For the log; empty: there is nothing to warn of.
  const std::string& warning() const noexcept { return warning_; }

  // Each sends one datagram and never waits: if the manager does not read and its queue is full,
  // the datagram is kept for retry(). False: this one was not heard, and the one before was (errno
  // says why). So a caller that logs each false writes one line about a manager that stays away.
  // `line`: for people.
  //
  // `another`: a time to stop that the manager has set is over no earlier than this from now.
  bool ready(std::string_view line);
  // Until the next ready().
  bool reloading();
  bool stopping(std::string_view line, std::chrono::microseconds another);
  bool still_stopping(std::chrono::microseconds another);
  bool alive();

  // Sends once more what the manager has not heard: the last of ready() and stopping(), and
  // alive(). To be called several times a second. True: now the manager has heard all that it had
  // missed.
  bool retry();

  // How long the manager waits for alive() before it takes us for hung; none: it does not wait.
  std::optional<std::chrono::nanoseconds> watchdog() const noexcept { return watchdog_; }

 private:
  bool send(std::string_view assignments);
  bool tell(std::string_view assignments);
  bool tell_state(std::string assignments);

  FileDescriptor socket_;  // not valid: no manager
  sockaddr_un address_{};
  socklen_t address_length_ = 0;
  std::string warning_;
  bool lost_ = false;       // the last datagram was not heard
  std::string owed_state_;  // of ready() or stopping(), not heard yet
  bool owes_alive_ = false;
  std::optional<std::chrono::nanoseconds> watchdog_;
};

}  // namespace cpss
