// The wait place of a lane whose work comes from one slot queue. No wait is longer than `longest`.
//
// A lane that also sends waits for room in a socket instead, as long as replies need that room.
// Such a wait is short (kLongestForRoom), so the messages in the queue can wait meanwhile.
#pragma once

#include <cstdint>

#include "net/datagram_socket.h"
#include "queue/slot_queue.h"
#include "stages/lane/failed_waits.h"
#include "stages/lane/lane_context.h"
#include "stages/lane/step.h"
#include "stages/lane/wait.h"
#include "stats/writer.h"

namespace cpss {

class QueueWait final : public WaitPlace {
 public:
  struct Wiring {
    SlotQueue::Consumer& queue;
    std::uint32_t batch;  // max messages the lane's step takes at once
    int stop_event;       // as in ReceiveWait
    LongestWait longest = {};
  };

  QueueWait(const Wiring& wiring, LaneContext& lane, StatsWriter stats) noexcept
      : w_(wiring), stats_(stats), failed_waits_(lane, stats, wiring.stop_event) {}

  bool wait(const RunResult& last) noexcept override;

 private:
  void wait_for_room(const DatagramSocket& full) noexcept;

  Wiring w_;
  StatsWriter stats_;
  FailedWaits failed_waits_;
};

}  // namespace cpss
