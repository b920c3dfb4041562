// Stage receive: takes datagrams from the sockets into slots, decides who may ask, hands on.
//
// One object per receive lane. Every lane serves every socket in turn, a batch at a time. The lane
// reads arrivals into memory of its own, since the kernel may have merged several datagrams into
// one (UDP_GRO: 128 of them, say), and copies each datagram into a slot of its own: 256 bytes cost
// about 10 ns.
//
// The lane claims slots before it reads, and reads no more arrivals than it has slots. Merged
// arrivals may still hold more datagrams than that: these wait in the lane and count as in flight,
// and the lane reads nothing more before they have slots. At a forced end either the lane or main
// ends them (held_datagrams.h).
//
// When there is no free slot, the overload policy decides: the datagrams wait, in the kernel or in
// the lane, or the lane sheds a batch of them (shedding.h).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "net/datagram_socket.h"
#include "queue/slot_pool.h"
#include "stages/lane/batch_clock.h"
#include "stages/lane/lane_context.h"
#include "stages/lane/step.h"
#include "stages/lane/stop_reading.h"
#include "stages/message/completion.h"
#include "stages/message/memory.h"
#include "stages/message/slot_store.h"
#include "stages/message/stage_output.h"
#include "stages/receive/access_control.h"
#include "stages/receive/arrival_cursor.h"
#include "stages/receive/coalescing.h"
#include "stages/receive/failing_sockets.h"
#include "stages/receive/held_datagrams.h"
#include "stages/receive/host_addresses.h"
#include "stages/receive/shedding.h"
#include "stats/writer.h"

namespace cpss {

class ReceiveStep final : public Step {
 public:
  struct Wiring {
    std::vector<DatagramSocket*> sockets;
    SlotStore& store;
    SlotPool& pool;
    SlotQueue& requests;
    const AccessControl& access_control;
    std::uint32_t batch;                            // max datagrams of one receive
    std::uint32_t lanes;                            // receive lanes
    bool merged = false;                            // arrivals may hold several datagrams
    bool coalesces = false;                         // the lane pauses between small batches
    std::optional<Shedding::Wiring> shedding = {};  // none: datagrams wait for slots
    // Slot headers name a socket by its place in the server's list. There `sockets` stand one after
    // the other, from this place on.
    std::size_t first_socket = 0;
    bool one_batch = false;  // a run ends with the first batch that it has handed on
    // Once it is given the lane reads nothing more, whatever the sockets hold. Null: never.
    const StopReading* stop_reading = nullptr;
  };

  // Bytes of its own memory that a step uses at most.
  static std::uint64_t bytes(std::size_t window_bytes, std::uint32_t batch, bool merged,
                             bool sheds) noexcept;

  ReceiveStep(Wiring wiring, LaneContext& lane, StatsWriter stats,
              std::optional<InlineDispatch> inline_dispatch = {});

  // Takes, of all sockets in turn, up to a batch each. `need_slot`: it stopped because there was no
  // free slot, not because there was nothing to read. A run that has shed a batch says so too, and
  // has moved nothing: so the lane gives other lanes time before it sheds more.
  RunResult run() noexcept override;
  void before_wait() noexcept override;

  bool sheds() const noexcept { return shedding_.has_value(); }
  // The lane goes on without receiving.
  void receive_no_more() noexcept { receives_ = false; }
  // At a forced end: ends the datagrams that wait here for slots.
  void abandon_held() noexcept;
  // Called by main at a forced end (HeldDatagrams::take_away()).
  std::optional<std::uint64_t> take_away_held() noexcept { return hold_.take_away(); }
  FailingSockets& failing_sockets() noexcept { return failing_; }
  // Datagrams received since the last call.
  std::uint64_t take_received() noexcept { return std::exchange(received_, 0); }
  StatsWriter& stats() noexcept { return stats_; }
  LaneContext& lane() noexcept { return lane_; }

 private:
  bool may_receive() const noexcept {
    return receives_ && (w_.stop_reading == nullptr || !w_.stop_reading->given());
  }
  // Receives from all sockets in turn.
  std::size_t receive_from_sockets() noexcept;
  // Whether the lane is to pause after this run.
  bool coalescing_is_due() noexcept;
  std::size_t receive_from(std::uint16_t socket_index) noexcept;
  // How many arrivals to ask for: about a batch of datagrams, and no more arrivals than there are
  // slots, in case each is one datagram.
  std::size_t arrivals_wanted() const noexcept;
  // Reads arrivals, counts their datagrams as received, and holds them.
  void read(std::uint16_t socket_index, std::size_t max_arrivals) noexcept;

  // Moves the cursor to the first datagram that may become a message, of this arrival or a later
  // one.
  void begin_arrival() noexcept;
  // Moves the cursor on: the datagram at it is placed, shed or dropped.
  void next_datagram() noexcept;
  // The datagram at the cursor fits into no slot.
  bool too_long() const noexcept;
  // Both place or end datagrams that are held and in hand. `held`: how many there were when the run
  // of the step began. They return how many have gone since: place_batch() places one batch, as far
  // as there are slots; shed_held() sheds all.
  std::size_t place_batch(BatchClock& clock, std::uint64_t held) noexcept;
  std::size_t shed_held(BatchClock& clock, std::uint64_t held) noexcept;
  // Places or sheds datagrams that an earlier run still holds: a batch, or all for which there are
  // slots.
  std::size_t place_held() noexcept;
  std::size_t place_all_held() noexcept;
  // Where lanes share their work: takes all from a socket whose buffer fills.
  std::size_t drain(std::size_t socket) noexcept;
  bool fills(const DatagramSocket& socket) noexcept;
  // Why the datagram at the cursor is shed. None: main has meanwhile taken all that was held.
  std::optional<Reason> reason_to_shed() noexcept;
  void place_datagram(std::span<const std::byte> bytes) noexcept;
  // Books the run of the step, in which so many `datagrams` were placed or ended, and hands the
  // batch on. The lane has nothing in hand.
  void finish(BatchClock& clock, std::size_t datagrams) noexcept;

  void claim() noexcept;
  void give_back_free() noexcept;

  Wiring w_;
  LaneContext& lane_;
  StatsWriter stats_;
  Completion completion_;
  StageOutput output_;
  std::optional<Shedding> shedding_;

  std::vector<std::uint32_t> free_;  // claimed, not yet used
  Memory memory_;                    // the lane reads arrivals into it
  std::vector<ReceiveBuffer> buffers_;
  std::vector<Arrival> arrivals_;
  // What the lane has read and not yet placed or ended: the datagrams from the cursor on, and the
  // arrivals behind it.
  HeldDatagrams hold_;
  std::uint64_t held_ = 0;   // datagrams
  std::size_t filled_ = 0;   // arrivals of the last read()
  std::size_t arrival_ = 0;  // the cursor's
  ArrivalCursor cursor_;
  HostAddressCopy host_;
  bool trusted_ = false;            // the arrival's peer
  std::uint16_t socket_index_ = 0;  // where the held datagrams came in, in w_.sockets
  std::size_t emptied_ = 0;         // reads in a row that emptied their sockets
  std::size_t per_arrival_ = 1;     // datagrams, as of the last read() that brought any
  std::size_t next_socket_ = 0;
  FailingSockets failing_;
  bool receives_ = true;
  std::uint64_t received_ = 0;  // see take_received()
  Coalescing coalescing_;
  bool drains_ = false;  // see drain()
  // Of the run under way:
  bool starved_ = false;          // it found no free slot
  std::size_t run_arrivals_ = 0;  // arrivals, from all sockets
  std::size_t run_wanted_ = 0;    // arrivals that it asked for
};

}  // namespace cpss
