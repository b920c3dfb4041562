// Shedding, under CPSS_OVERLOAD=shed: the receive lane also receives datagrams for which there is
// no slot, and answers them with the service's busy reply or not at all. So the kernel's buffer is
// emptied and every message counted, although no slot is free.
//
// One object per receive lane. The datagrams lie in the lane's receive memory, outside the pool.
// Each ends as shed, or as the service says: invalid or refused; access control has decided before
// who may ask. A busy reply is dropped if the kernel does not take it at once, or if it may not
// take room in the send buffer now (send_room.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "net/datagram_socket.h"
#include "services/service.h"
#include "stages/lane/events.h"
#include "stages/message/busy_budget.h"
#include "stages/message/memory.h"
#include "stages/message/send_room.h"
#include "stats/writer.h"

namespace cpss {

class Shedding {
 public:
  struct Wiring {
    const Service& service;
    BusyBudget& budget;
    const SocketAddress* reply_address;    // null: replies go to the source of each request
    const SendOutlook* outlook = nullptr;  // null: nothing is known
  };

  // Shared with the receive step of the lane.
  struct Shared {
    EventRing& events;
    StatsWriter& stats;
  };

  // Memory that one uses at most: a window for each datagram of a batch, and one for a reply that
  // finds no room.
  static std::uint64_t bytes(std::size_t window_bytes, std::uint32_t batch) noexcept {
    return (std::uint64_t{batch} + 1) * window_bytes;
  }

  // At most `batch` replies between two calls of send().
  Shedding(const Wiring& wiring, const Shared& shared, std::size_t window_bytes,
           std::uint32_t batch);

  // Asks the service about a datagram of the arrival, which is no longer than a window; `trusted`:
  // its peer. Keeps the busy reply, if there is one and room for it, and returns the reason to book
  // for the datagram. The caller leaves arrival and request where they are until send().
  Reason answer(const Arrival& arrival, std::span<std::byte> request, bool trusted) noexcept;

  // Sends the busy replies that were kept, as far as the budget allows. `socket`: the one that the
  // requests came by; `place`: its place in the server's list.
  void send(DatagramSocket& socket, std::size_t place) noexcept;

 private:
  Wiring w_;
  Shared shared_;
  std::size_t window_bytes_;
  std::uint32_t batch_;
  Memory replies_;
  std::vector<OutgoingDatagram> outgoing_;
  SendRoom room_;
};

}  // namespace cpss
