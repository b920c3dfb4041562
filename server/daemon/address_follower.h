// Follows the addresses of this host for as long as the server runs: which addresses count as ours,
// and whether the address that all replies go to has become one of them.
//
// When something has changed, a thread of its own reads them (server/daemon/background_reading.h):
// at such a time other processes change the network and hold the kernel's lock of it. The server
// goes by the new addresses from the next tick on. A reading that fails is repeated until one
// succeeds.
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

// The one of our `own` addresses that gets datagrams sent to `to`; null: none does. A wildcard gets
// datagrams sent to any address of the host; an IPv6 wildcard may take IPv4 too.
const SocketAddress* own_address_for(const SocketAddress& to, std::span<const SocketAddress> own,
                                     const LocalAddressSet& host);

class AddressFollower {
 public:
  // Reads the addresses, and watches them from then on. Throws std::system_error.
  AddressFollower();

  const LocalAddressSet& now() const noexcept { return now_; }
  // Whether the last reading has failed: then now() may be out of date.
  bool unreadable() const noexcept { return unreadable_; }

  // Tells it whom to inform. The caller owns `access_control`, which was made with now().
  void serve(AccessControl& access_control, std::vector<SocketAddress> own,
             std::optional<SocketAddress> reply_address);
  // To be called several times a second: if addresses have changed, says so in the log and
  // publishes them. Never waits.
  void tick();

 private:
  bool take_what_was_read();
  void failed(int error);
  void publish();
  void look_at_reply_address();

  AddressWatch watch_;  // made before the addresses are read, so that no change is missed
  LocalAddressSet now_;
  BackgroundReading<LocalAddressSet> reading_;
  bool out_of_date_ = false;  // something has changed and no reading was begun since
  std::chrono::steady_clock::time_point next_try_{};
  AccessControl* access_control_ = nullptr;
  std::vector<SocketAddress> own_;
  std::optional<SocketAddress> reply_address_;
  bool unreadable_ = false;     // as of the last reading, so that the log says it once
  bool too_many_ = false;       // likewise
  bool replies_to_us_ = false;  // likewise
};

}  // namespace cpss
