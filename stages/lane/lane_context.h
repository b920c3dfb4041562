// What the steps of one lane share: the lane's own steps, and the steps of later stages that it
// runs inline (stages/message/inline_dispatch.h). They share one cache of free slots, so the lane
// receives next into the slot from which it has just answered.
//
// One thread at a time: the lane's.
#pragma once

#include <cstdint>

#include "net/datagram_socket.h"
#include "queue/slot_pool.h"
#include "stages/lane/events.h"
#include "stages/lane/progress.h"
#include "stages/lane/troubles.h"

namespace cpss {

struct LaneContext {
  // `kept_slots`: max free slots the lane keeps; `pool_lanes`: the number of lanes that keep some.
  // `shared_events`: where the lane reports if another process reads its events; null: here.
  // `watched_progress`: where the lane shows that it does not hang; null: not watched.
  // `watched_troubles`: where the lane shows its troubles; null: not watched.
  LaneContext(SlotPool& pool, std::uint32_t kept_slots, std::uint32_t pool_lanes,
              EventRing* shared_events = nullptr, LaneProgress* watched_progress = nullptr,
              LaneTroubles* watched_troubles = nullptr)
      : cache(pool, kept_slots, pool_lanes),
        events(shared_events != nullptr ? *shared_events : own_events_),
        progress(watched_progress != nullptr ? *watched_progress : own_progress_),
        troubles(watched_troubles != nullptr ? *watched_troubles : own_troubles_) {}
  LaneContext(const LaneContext&) = delete;
  LaneContext& operator=(const LaneContext&) = delete;

  SlotPool::SlotCache cache;
  EventRing& events;
  LaneProgress& progress;
  LaneTroubles& troubles;
  // The last look of the lane's own step found nothing more to take: the lane may dispatch inline.
  bool input_empty = false;
  // A socket for whose room replies wait that the lane holds; null: none does.
  DatagramSocket* full = nullptr;
  // The lane was woken because a socket had become readable. Set where it waits; its next run that
  // looks at the sockets clears it, and has lost a race if it reads nothing.
  bool woken_by_socket = false;

 private:
  EventRing own_events_;
  LaneProgress own_progress_;
  LaneTroubles own_troubles_;
};

}  // namespace cpss
