// What a server knows of its peers when it decides who may take the room in its sockets.
#pragma once

#include <array>

#include "base/clock.h"
#include "tests/stages/rig.h"

namespace cpss::test {

// A base of fixtures: two peers whose reach is known, another one in their network, and two
// sockets.
class KnownPeers {
 protected:
  // The reach map stays valid, however long a test takes.
  static constexpr std::uint64_t kAhead = 3'600'000'000'000;

  KnownPeers() {
    reach_.begin();
    reach_.add(open_.ip(), Reach::open);
    reach_.add(silent_.ip(), Reach::silent);
    reach_.add_network(prefix("192.0.2.0", 24));
    reach_.publish(monotonic_ns() + kAhead);
  }

  const SocketAddress open_ = address("192.0.2.7", 7);
  const SocketAddress silent_ = address("192.0.2.8", 7);
  const SocketAddress unknown_ = address("192.0.2.9", 7);
  ReachMap reach_{1};
  std::array<SendPressure, 2> pressure_;
  SendOutlook outlook_{pressure_, reach_};
};

}  // namespace cpss::test
