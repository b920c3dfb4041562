// A process for each message: what stands behind receive in the model `mp` with CPSS_MP=fork.
//
// The receive lane, a thread of the parent, starts a process, which has a copy of the message, runs
// the service and sends the reply, books that in blocks of its own, and ends. The slot stays the
// parent's until then. There are as many places for processes as slots, so that a message that has
// a slot has a place.
//
// help() is called by the receive lane, the rest by the main thread.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "queue/semaphore.h"
#include "queue/slot_pool.h"
#include "server/children.h"
#include "server/lost_messages.h"
#include "server/plant.h"
#include "server/station.h"
#include "stages/events.h"
#include "stages/helping.h"
#include "stats/writer.h"

namespace cpss {

class MessageProcesses final : public HelpedStep {
 public:
  struct Place {
    std::unique_ptr<Station> station;  // the steps that the process runs
    LostMessages books;
    std::uint32_t slot = 0;  // of its message
  };

  // `events`, `stats`: of the receive lane.
  MessageProcesses(Plant& plant, std::vector<Place> places, EventRing& events, StatsWriter stats);

  std::span<const std::uint32_t> help(std::span<const std::uint32_t> slots,
                                      std::uint64_t begin_ns) noexcept override;
  std::size_t most_helped() const noexcept override { return Help::kNoLimit; }

  // Ends the messages of processes that have ended; books those that have not ended well.
  void reap(Reason lost_for, StatsWriter& main);
  std::size_t running() const { return children_.running(); }
  // Whether one that runs has the message in this slot. After the receive lane has ended.
  bool has(std::uint32_t slot) const;
  void kill_all() { children_.kill_all(); }

 private:
  void start_process(std::uint32_t slot) noexcept;
  std::size_t take_free_place() noexcept;
  void give_back_place(std::size_t place) noexcept;

  Plant& plant_;
  std::vector<Place> places_;
  EventRing& events_;
  StatsWriter stats_;
  Children children_;
  SlotPool::SlotCache cache_;
  Semaphore ended_;  // posted for a start that waits
  std::mutex mutex_;
  std::vector<std::size_t> free_places_;
};

}  // namespace cpss
