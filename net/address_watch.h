// Says when the addresses of this host may have changed (rtnetlink(7)).
//
// It says no more than that, and once, so that nothing can be misread: whoever asks reads them all
// anew (LocalAddressSet::of_this_host()) until that has succeeded, also after an overrun of the
// socket (ENOBUFS, netlink(7)). Where the kernel gives no such socket, it says so once a second.
//
// One thread; an object is for the network namespace that it was made in.
#pragma once

#include <chrono>

namespace cpss {

class AddressWatch {
 public:
  // From now on. Make it before the addresses are read for the first time.
  AddressWatch() noexcept;
  ~AddressWatch();
  AddressWatch(const AddressWatch&) = delete;
  AddressWatch& operator=(const AddressWatch&) = delete;

  // Since the last call. Never waits.
  bool may_have_changed() noexcept;

 private:
  bool take_messages() noexcept;

  int fd_;  // -1: none
  std::chrono::steady_clock::time_point next_look_;
};

}  // namespace cpss
