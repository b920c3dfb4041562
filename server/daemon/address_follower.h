// Follows the addresses of this host for as long as the server runs: who counts as ourselves, and
// what it means for the address that all replies go to.
//
// Where something has changed they are read by a thread of its own
// (server/daemon/background_reading.h): that is when others change the network, and hold the
// kernel's lock of it. What was read counts from the next tick on. A reading that fails is made
// again until one does not.
//
// Main thread.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <vector>

#include "net/address.h"
#include "net/address_watch.h"
#include "net/local_addresses.h"
#include "server/daemon/background_reading.h"
#include "stages/receive/access_control.h"

namespace cpss {

// The one of our `own` addresses that gets what is sent to `to`, if there is one. A wildcard gets
// what is sent to any address of the host; an IPv6 one may take IPv4 too.
const SocketAddress* own_address_for(const SocketAddress& to, std::span<const SocketAddress> own,
                                     const LocalAddressSet& host);

class AddressFollower {
 public:
  // Reads the addresses, and watches them from then on. Throws std::system_error.
  AddressFollower();

  const LocalAddressSet& now() const noexcept { return now_; }
  // The last reading has failed: now() may be out of date.
  bool unreadable() const noexcept { return unreadable_; }

  // Those that are to know of it. `access_control` is the caller's; it was made with now().
  void serve(AccessControl& access_control, std::vector<SocketAddress> own,
             std::optional<SocketAddress> reply_address);
  // Several times a second: where addresses have changed, says so in the log and publishes them.
  // Never waits.
  void tick();

 private:
  bool take_what_was_read();
  void failed(int error);
  void publish();
  void look_at_reply_address();

  AddressWatch watch_;  // before the addresses, so that nothing happens in between
  LocalAddressSet now_;
  BackgroundReading<LocalAddressSet> reading_;
  bool out_of_date_ = false;  // something has changed that no reading was begun for
  std::chrono::steady_clock::time_point next_try_{};
  AccessControl* access_control_ = nullptr;
  std::vector<SocketAddress> own_;
  std::optional<SocketAddress> reply_address_;
  bool unreadable_ = false;     // as of the last reading; so it is said once
  bool too_many_ = false;       // likewise
  bool replies_to_us_ = false;  // likewise
};

}  // namespace cpss
