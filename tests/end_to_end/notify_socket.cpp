#include "tests/end_to_end/notify_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace cpss {

NotifySocket::NotifySocket() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof address.sun_path) throw std::runtime_error(path_ + " is too long");
  std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
  if (!socket_.valid() ||
      ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw std::system_error(errno, std::generic_category(), path_);
}

std::optional<std::string> NotifySocket::hear(std::chrono::milliseconds longest) const {
  pollfd readable{socket_.get(), POLLIN, 0};
  if (::poll(&readable, 1, static_cast<int>(longest.count())) != 1) return std::nullopt;
  std::array<char, 4096> message;
  const ssize_t bytes = ::recv(socket_.get(), message.data(), message.size(), MSG_DONTWAIT);
  if (bytes < 0) return std::nullopt;
  return std::string(message.data(), static_cast<std::size_t>(bytes));
}

bool NotifySocket::hears(const std::string& beginning, std::chrono::milliseconds longest) const {
  const auto deadline = std::chrono::steady_clock::now() + longest;
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    const auto message = hear(std::max(left, std::chrono::milliseconds(0)));
    if (!message) return false;
    if (message->starts_with(beginning)) return true;
  }
}

// The kernel queues as many messages as sysctl net.unix.max_dgram_qlen says.
std::size_t NotifySocket::fill() const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path_.c_str(), path_.size() + 1);
  const FileDescriptor sender(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::size_t queued = 0;
  while (::sendto(sender.get(), nullptr, 0, MSG_DONTWAIT,
                  reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    ++queued;
  return queued;
}

void NotifySocket::forget() const {
  while (hear(std::chrono::milliseconds(0))) {
  }
}

}  // namespace cpss
