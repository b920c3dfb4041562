// What a receive lane does with datagrams for which there is no slot, under CPSS_OVERLOAD=shed:
// takes a batch of them into memory of its own, and answers them with the service's busy reply or
// not at all.
//
// One object per receive lane; its spare batch lies outside the pool. Each datagram ends here:
// invalid or refused where it would have been anyway, else as shed. A busy reply that the kernel
// does not take at once is dropped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "net/datagram_port.h"
#include "services/service.h"
#include "stages/admission.h"
#include "stages/busy_budget.h"
#include "stages/events.h"
#include "stages/memory.h"
#include "stages/retirement.h"
#include "stages/slot_store.h"
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
    const Admission& admission;
    Retirement& retirement;
    EventRing& events;
    StatsWriter& stats;
  };

  Shedding(const Wiring& wiring, const Shared& shared, std::size_t window_bytes,
           std::uint32_t batch);

  // Where a spare batch is received into.
  std::span<const ReceiveBuffer> buffers() const noexcept { return buffers_; }

  // Ends what was received there, `port` is where it came by. The datagrams have been counted as
  // received.
  void end(std::span<const Arrival> arrivals, DatagramPort& port) noexcept;

 private:
  void end_one(const Arrival& arrival, std::size_t index) noexcept;
  // Ends one datagram; its busy reply, if there is one, goes to outgoing_. Returns the bytes it
  // took of the front of `room`.
  std::size_t end_datagram(const Arrival& arrival, std::span<std::byte> request,
                           std::span<std::byte> room) noexcept;
  void send(DatagramPort& port) noexcept;

  Wiring w_;
  Shared shared_;
  std::size_t window_bytes_;
  Memory memory_;  // a request and a reply window for each datagram of the batch
  std::vector<ReceiveBuffer> buffers_;
  std::vector<OutgoingDatagram> outgoing_;  // at most a batch
};

}  // namespace cpss
