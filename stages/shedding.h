// What a receive lane does with datagrams for which there is no slot, under CPSS_OVERLOAD=shed: it
// receives them all the same, and answers them with the service's busy reply or not at all.
//
// One object per receive lane. The datagrams lie where the lane receives, outside the pool. Each
// ends here: invalid where it would have been anyway, else as shed; who may ask has been decided. A
// busy reply that the kernel does not take at once is dropped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "net/datagram_port.h"
#include "services/service.h"
#include "stages/arrival_cursor.h"
#include "stages/busy_budget.h"
#include "stages/events.h"
#include "stages/memory.h"
#include "stages/retirement.h"
#include "stats/writer.h"

namespace cpss {

class Shedding {
 public:
  struct Wiring {
    const Service& service;
    BusyBudget& budget;
    const SocketAddress* reply_address;  // null: replies go to the source of each request
  };

  // What it shares with the receive step of its lane.
  struct Shared {
    Retirement& retirement;
    EventRing& events;
    StatsWriter& stats;
  };

  // At most `batch` replies between two send().
  Shedding(const Wiring& wiring, const Shared& shared, std::size_t window_bytes,
           std::uint32_t batch);

  // Ends the arrival's datagrams from the cursor on; `trusted`: its peer. They have been counted as
  // received. The arrival and its bytes stay where they are until send().
  void end(const Arrival& arrival, ArrivalCursor cursor, bool trusted) noexcept;

  // Sends the busy replies of what has ended, as far as the budget allows; `port` is where it came
  // by.
  void send(DatagramPort& port) noexcept;

 private:
  void end_datagram(const Arrival& arrival, std::span<std::byte> request, bool trusted) noexcept;

  Wiring w_;
  Shared shared_;
  std::size_t window_bytes_;
  std::uint32_t batch_;
  Memory replies_;  // a window for each of a batch, and one for a reply too many
  std::vector<OutgoingDatagram> outgoing_;
};

}  // namespace cpss
