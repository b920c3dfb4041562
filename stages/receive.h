// Stage receive: takes datagrams from the sockets into slots, decides who may ask, hands on.
//
// One object per receive lane. Every lane serves every socket in turn, a batch at a time. A slot is
// claimed before the datagram is read, straight into the slot's request window; slots that stay
// unused are given back in the same run.
//
// When there is no free slot, what happens is for the overload policy to say: the datagrams wait in
// the kernel, or a batch of them is shed (shedding.h).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "net/datagram_port.h"
#include "queue/slot_pool.h"
#include "stages/admission.h"
#include "stages/events.h"
#include "stages/outlet.h"
#include "stages/retirement.h"
#include "stages/shedding.h"
#include "stages/slot_store.h"
#include "stages/step.h"
#include "stats/writer.h"

namespace cpss {

class ReceiveStep final : public Step {
 public:
  struct Wiring {
    std::vector<DatagramPort*> ports;  // slot headers name them by their place in this list
    SlotStore& store;
    SlotPool& pool;
    SlotQueue& requests;
    const Admission& admission;
    EventRing& events;
    std::uint32_t batch;                            // most datagrams of one receive
    std::uint32_t lanes;                            // receive lanes
    std::uint32_t pool_lanes;                       // all lanes that use the pool
    std::optional<Shedding::Wiring> shedding = {};  // none: datagrams wait for slots in the kernel
  };

  ReceiveStep(Wiring wiring, StatsWriter stats);

  std::size_t run() noexcept override;
  void before_wait() noexcept override;

  // The last run() stopped because there was no free slot, not because there was nothing to read. A
  // run that has shed a batch says so too, and returns 0: the lane gives the others time before it
  // sheds more.
  bool starved() const noexcept { return starved_; }
  bool sheds() const noexcept { return shedding_.has_value(); }
  // Tokens of the pool that the lane has waited for; used by the next run().
  void accept_tokens(std::uint32_t tokens) noexcept;
  StatsWriter& stats() noexcept { return stats_; }

 private:
  // Datagrams that arrived merged with others and found no slot yet. They count as in flight;
  // nothing more is received before they have their slots.
  struct Leftover {
    Arrival arrival;
    std::uint16_t port_index = 0;
    std::vector<std::byte> bytes;  // whole segments, the last may be shorter
    std::size_t placed = 0;        // bytes that have found a slot
  };

  std::size_t receive_from(std::uint16_t port_index) noexcept;
  // Sheds a batch of what waits at the socket; whether there was something.
  bool shed_from(std::uint16_t port_index) noexcept;
  // Fills the buffers as far as there is something, counts it as received; returns the datagrams of
  // the first `filled_` arrivals.
  std::uint64_t read(DatagramPort& port, std::span<const ReceiveBuffer> buffers) noexcept;
  void admit(const Arrival& arrival, std::uint32_t slot, std::uint16_t port_index) noexcept;
  void make_message(std::uint32_t slot, const Arrival& arrival, std::size_t length,
                    std::uint16_t port_index) noexcept;
  // Gives each segment of `bytes` a slot, as far as there are any; returns the bytes placed.
  std::size_t place_segments(const Arrival& arrival, std::uint16_t port_index,
                             std::span<const std::byte> bytes) noexcept;
  void keep_leftover(const Arrival& arrival, std::uint16_t port_index,
                     std::span<const std::byte> bytes) noexcept;
  std::size_t place_leftovers() noexcept;
  // Fills free_ up to a batch.
  void claim() noexcept;
  void give_back_free() noexcept;

  Wiring w_;
  StatsWriter stats_;
  SlotPool::SlotCache cache_;
  Retirement retirement_;
  Outlet outlet_;
  std::optional<Shedding> shedding_;

  std::vector<std::uint32_t> free_;  // claimed, not yet used; room for two batches
  std::vector<ReceiveBuffer> buffers_;
  std::vector<Arrival> arrivals_;
  std::size_t filled_ = 0;  // arrivals of the last read()
  std::vector<std::uint32_t> slots_of_arrivals_;
  std::vector<Leftover> leftovers_;  // the first leftover_count_ are in use
  std::size_t leftover_count_ = 0;
  std::size_t next_port_ = 0;
  bool starved_ = false;
};

}  // namespace cpss
