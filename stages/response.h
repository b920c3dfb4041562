// Stage response: sends the replies of a batch, grouped by socket, and ends their messages.
//
// One object per response lane. It waits for the kernel alone.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "net/datagram_port.h"
#include "queue/slot_pool.h"
#include "stages/events.h"
#include "stages/intake.h"
#include "stages/retirement.h"
#include "stages/slot_store.h"
#include "stages/step.h"
#include "stats/writer.h"

namespace cpss {

class ResponseStep final : public Step {
 public:
  struct Wiring {
    std::vector<DatagramPort*> ports;  // in the order receive names them
    SlotStore& store;
    SlotPool& pool;
    SlotQueue& responses;
    EventRing& events;
    std::uint32_t batch;
    std::uint32_t lanes;                           // response lanes
    std::uint32_t pool_lanes;                      // all lanes that use the pool
    const SocketAddress* reply_address = nullptr;  // null: to the source of each request
  };

  ResponseStep(Wiring wiring, StatsWriter stats);

  std::size_t run() noexcept override;
  void before_wait() noexcept override;

  Intake& intake() noexcept { return intake_; }
  StatsWriter& stats() noexcept { return stats_; }

 private:
  // Offers all waiting messages to their sockets. Those of full sockets go on waiting, in their
  // order; returns one of these sockets, or null if nothing waits any more.
  DatagramPort* send_waiting() noexcept;
  // Moves the messages of the first waiting message's socket, in order, to group_ and outgoing_.
  std::uint16_t next_group() noexcept;
  // Returns how many of the group are dealt with; the others found no room in the kernel.
  std::size_t send_group(DatagramPort& port) noexcept;
  void send_failed(MessageRef ref, int error) noexcept;
  // Ends a message for `reason`, or, if it was shed, as that.
  void end(MessageRef ref, Reason reason) noexcept;
  // Those of the group that found no room wait on, but what is shed is dropped.
  void keep_waiting(std::size_t done) noexcept;

  Wiring w_;
  StatsWriter stats_;
  SlotPool::SlotCache cache_;
  Retirement retirement_;
  Intake intake_;
  std::vector<MessageRef> waiting_;  // to be sent, in order
  std::vector<MessageRef> group_;    // those of one socket, being sent
  std::vector<OutgoingDatagram> outgoing_;
};

}  // namespace cpss
