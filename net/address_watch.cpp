#include "net/address_watch.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

namespace cpss {
namespace {

// How often the addresses may have changed if the kernel sends no messages.
constexpr std::chrono::seconds kLook{1};

// Lets through messages about routes only if the route makes addresses local: the other routes of a
// router change all the time. The fields are in the host's byte order, but a filter program loads
// them in the network's.
bool pass_local_routes_only(int fd) noexcept {
  constexpr std::uint32_t kAll = 0xffff'ffff;
  std::array<sock_filter, 8> steps{
      {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(nlmsghdr, nlmsg_type)),
       BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWROUTE), 2, 0),
       BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELROUTE), 1, 0),
       BPF_STMT(BPF_RET | BPF_K, kAll),
       BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NLMSG_HDRLEN + offsetof(rtmsg, rtm_type)),
       BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RTN_LOCAL, 1, 0), BPF_STMT(BPF_RET | BPF_K, 0),
       BPF_STMT(BPF_RET | BPF_K, kAll)}};
  const sock_fprog program{static_cast<unsigned short>(steps.size()), steps.data()};
  return ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

int subscribe() noexcept {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (fd < 0) return -1;
  sockaddr_nl groups{};
  groups.nl_family = AF_NETLINK;
  groups.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (pass_local_routes_only(fd)) groups.nl_groups |= RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&groups), sizeof groups) == 0) return fd;
  ::close(fd);
  return -1;
}

}  // namespace

AddressWatch::AddressWatch() noexcept
    : fd_(subscribe()), next_look_(std::chrono::steady_clock::now() + kLook) {}

AddressWatch::~AddressWatch() {
  if (fd_ >= 0) ::close(fd_);
}

bool AddressWatch::may_have_changed() noexcept {
  if (fd_ >= 0) return take_messages();
  const auto now = std::chrono::steady_clock::now();
  if (now < next_look_) return false;
  next_look_ = now + kLook;
  return true;
}

// The content of the messages does not matter, so recv() may cut them.
bool AddressWatch::take_messages() noexcept {
  // Messages in one call; the next call takes the rest. Without a limit, a host whose addresses
  // change all the time would keep the caller here for ever.
  constexpr int kMax = 10'000;
  bool any = false;
  for (int i = 0; i < kMax; ++i) {
    std::array<std::byte, 64> message;
    if (::recv(fd_, message.data(), message.size(), MSG_DONTWAIT) >= 0 || errno == ENOBUFS) {
      any = true;
    } else if (errno != EINTR) {
      if (errno == EAGAIN) return any;
      ::close(fd_);
      fd_ = -1;
      return true;
    }
  }
  return any;
}

}  // namespace cpss
