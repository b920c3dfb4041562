// Tells when the addresses of this host may have changed (rtnetlink(7)).
//
// It tells no more than that, and once, so that nothing can be misread: the caller then reads all
// addresses anew (LocalAddressSet::of_this_host()), and tries again until that has succeeded. An
// overrun of the socket (ENOBUFS, netlink(7)) counts as a change. If the kernel gives no such
// socket, they may have changed once a second.
//
// One thread. An object watches the network namespace that it was made in.
#pragma once

#include <chrono>

namespace cpss {

class AddressWatch {
 public:
  // Watches from now on. Make it before you read the addresses for the first time.
  AddressWatch() noexcept;
  ~AddressWatch();
  AddressWatch(const AddressWatch&) = delete;
  AddressWatch& operator=(const AddressWatch&) = delete;

  // Whether the addresses may have changed since the last call. Never waits.
  bool may_have_changed() noexcept;

 private:
  bool take_messages() noexcept;

  int fd_;  // -1: the kernel gives no socket
  std::chrono::steady_clock::time_point next_look_;
};

}  // namespace cpss
