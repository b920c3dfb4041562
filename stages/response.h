// Stage response: sends the replies of a batch, grouped by socket and, where the kernel can send
// several to one peer as one packet, by peer and length, and ends their messages.
//
// One object per lane that runs it: response lanes, which wait for the kernel alone, lanes that
// help, which do not wait, and lanes that run all steps, which wait for everything in one place.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "net/datagram_port.h"
#include "stages/batch_clock.h"
#include "stages/helping.h"
#include "stages/intake.h"
#include "stages/lane_context.h"
#include "stages/reply_groups.h"
#include "stages/retirement.h"
#include "stages/slot_store.h"
#include "stages/step.h"
#include "stages/step_cost.h"
#include "stages/wait.h"
#include "stats/writer.h"

namespace cpss {

class ResponseStep final : public Step, public HelpedStep {
 public:
  struct Wiring {
    std::vector<DatagramPort*> ports;  // in the order receive names them
    SlotStore& store;
    SlotQueue& responses;
    StepCost& cost;  // of this stage
    std::uint32_t batch;
    std::uint32_t lanes;                           // response lanes
    bool grouped = false;                          // by peer and length too
    const SocketAddress* reply_address = nullptr;  // null: to the source of each request
    bool waits = true;  // for room in the kernel; false: the lane does (blocked_on())
  };

  ResponseStep(Wiring wiring, LaneContext& lane, StatsWriter stats);

  std::size_t run() noexcept override;
  // Sends what the kernel takes now.
  std::span<const std::uint32_t> help(std::span<const std::uint32_t> slots,
                                      std::uint64_t begin_ns) noexcept override;
  std::size_t most_helped() const noexcept override { return Help::kNoLimit; }
  DatagramPort* blocked_on() const noexcept override { return blocked_on_; }
  void before_wait() noexcept override;

  Intake& intake() noexcept { return intake_; }
  StatsWriter& stats() noexcept { return stats_; }

 private:
  // Tries what waits since an earlier run.
  std::size_t send_on() noexcept;
  // Sends what the kernel takes now; the rest waits, and the lane for it. Returns how many went.
  std::size_t send_what_fits(BatchClock& clock) noexcept;
  void set_waiting(std::span<const std::uint32_t> slots) noexcept;
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
  LaneContext& lane_;
  StatsWriter stats_;
  Retirement retirement_;
  Intake intake_;
  std::vector<MessageRef> waiting_;  // to be sent, in order
  std::vector<MessageRef> group_;    // those of one socket, being sent
  std::vector<OutgoingDatagram> outgoing_;
  ReplyGroups groups_;
  DatagramPort* blocked_on_ = nullptr;  // null: nothing waits between two runs
  std::vector<std::uint32_t> unsent_;   // by help()
};

}  // namespace cpss
