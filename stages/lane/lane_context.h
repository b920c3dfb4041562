// What the steps of one lane have in common: those it runs as its own, and those of
// the stages behind it that it runs inline (stages/message/inline_dispatch.h).
// Among it one cache of free slots: the slot that the lane has just answered from is the next that
// it receives into.
//
// One thread at a time: the lane's.
#pragma once

#include <cstdint>

#include "queue/slot_pool.h"
#include "stages/lane/events.h"
#include "stages/lane/progress.h"
#include "stages/lane/troubles.h"

namespace cpss {

struct LaneContext {
  // `kept_slots`: free slots the lane keeps at most, `pool_lanes`: all lanes that keep some.
  // `shared_events`: where the lane reports, if another process is to read it; null: here.
  // `watched_progress`: where it shows that it does not hang; null: nobody looks.
  // `watched_troubles`: where it shows what it is in trouble with; null: nobody looks.
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
  // As of the last look there was nothing left to take for the lane's own step: it may dispatch
  // inline.
  bool input_empty = false;

 private:
  EventRing own_events_;
  LaneProgress own_progress_;
  LaneTroubles own_troubles_;
};

}  // namespace cpss
