#include "tests/end_to_end/held_sockets.h"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

namespace cpss {
namespace {

constexpr int kFirstHandedOver = 3;  // sd_listen_fds(3)
// The test's own sockets have other numbers than those that the server gets.
constexpr int kFirstHeld = 100;

void check(bool done, const std::string& what) {
  if (!done) throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

// As a manager leaves them: only the address is set. Programs that the test starts inherit them.
HeldSockets::HeldSockets(const std::vector<std::string>& ips) {
  for (const std::string& ip : ips) {
    SocketAddress address(IpAddress::parse(ip).value(), 0);
    const FileDescriptor low(::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    socklen_t size = address.size();
    check(low.valid() && ::bind(low.get(), address.data(), size) == 0 &&
              ::getsockname(low.get(), address.data(), &size) == 0,
          "a socket on " + ip);
    addresses_.push_back(address);
    sockets_.emplace_back(::fcntl(low.get(), F_DUPFD, kFirstHeld));
    check(sockets_.back().valid(), "a number for a socket");
  }
}

// By bash, since other shells redirect only descriptors of one digit.
std::vector<std::string> HeldSockets::hand_to(std::vector<std::string> command) const {
  std::string script = "exec";
  int handed_over = kFirstHandedOver;
  for (const FileDescriptor& socket : sockets_)
    script += fmt::format(" {}<&{} {}<&-", handed_over++, socket.get(), socket.get());
  script +=
      fmt::format("; unset CPSS_LISTEN; export LISTEN_PID=$$ LISTEN_FDS={}; exec \"$0\" \"$@\"",
                  sockets_.size());
  command.insert(command.begin(), {"/bin/bash", "-c", script});
  return command;
}

bool HeldSockets::readable(std::chrono::milliseconds longest) const {
  std::vector<pollfd> polled;
  for (const FileDescriptor& socket : sockets_) polled.push_back({socket.get(), POLLIN, 0});
  return ::poll(polled.data(), polled.size(), static_cast<int>(longest.count())) > 0;
}

}  // namespace cpss
