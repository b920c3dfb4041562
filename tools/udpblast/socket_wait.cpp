#include "tools/udpblast/socket_wait.h"

#include <cerrno>
#include <cstring>
#include <ctime>

#include <fmt/format.h>
#include <poll.h>

#include "net/udp_socket.h"

namespace cpss::udpblast {
namespace {

[[noreturn]] void fail(const char* call) {
  const int error = errno;
  throw SocketError(fmt::format("{}: {}{}", call, std::strerror(error),
                                error == EMFILE ? "; raise the limit (ulimit -n)" : ""),
                    error);
}

}  // namespace

SocketWait::SocketWait() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_.valid()) fail("epoll_create1");
}

void SocketWait::add(int descriptor, std::uint32_t index) {
  epoll_event event{.events = EPOLLIN, .data = {.u32 = index}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) != 0) fail("epoll_ctl");
}

std::span<const std::uint32_t> SocketWait::wait(std::uint64_t now_ns,
                                                std::uint64_t until_ns) noexcept {
  const std::uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
  const timespec left{.tv_sec = static_cast<time_t>(left_ns / 1'000'000'000),
                      .tv_nsec = static_cast<long>(left_ns % 1'000'000'000)};
  int ready = ::epoll_pwait2(epoll_.get(), events_.data(), kEvents, &left, nullptr);
  if (ready < 0 && errno == ENOSYS) {  // Linux before 5.11
    pollfd readable{epoll_.get(), POLLIN, 0};
    ::ppoll(&readable, 1, &left, nullptr);
    ready = ::epoll_wait(epoll_.get(), events_.data(), kEvents, 0);
  }
  error_ = ready < 0 && errno != EINTR ? errno : 0;
  for (int i = 0; i < ready; ++i)
    indexes_[static_cast<std::size_t>(i)] = events_[static_cast<std::size_t>(i)].data.u32;
  return std::span(indexes_).first(ready > 0 ? static_cast<std::size_t>(ready) : 0);
}

}  // namespace cpss::udpblast
