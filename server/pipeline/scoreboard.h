// What the lanes of a server and its main thread show each other beside the queues, named after the
// scoreboard of Apache httpd: events, progress and troubles of each lane, how many lanes are awake,
// the sign to stop, the budget of busy replies, which sockets are full of replies that do not
// leave, and which peers can be reached.
//
// In shared memory if lanes are processes: made before they start, it is the same for all of them.
// The object itself belongs to the main thread; each part that it hands out says who may use it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "net/reach_map.h"
#include "stages/lane/events.h"
#include "stages/lane/lane_pulse.h"
#include "stages/lane/progress.h"
#include "stages/lane/spin.h"
#include "stages/lane/stop_reading.h"
#include "stages/lane/troubles.h"
#include "stages/message/busy_budget.h"
#include "stages/message/memory.h"
#include "stages/message/send_pressure.h"

namespace cpss {

class Scoreboard {
 public:
  // `lanes`: their names; `cpus`: how many the server may use; `sockets`: how many it has. Throws
  // std::bad_alloc, std::system_error.
  Scoreboard(std::vector<std::string> lanes, unsigned busy_rate, unsigned cpus, std::size_t sockets,
             Sharing sharing);
  ~Scoreboard();
  Scoreboard(const Scoreboard&) = delete;
  Scoreboard& operator=(const Scoreboard&) = delete;

  EventRing& events(std::size_t lane) noexcept { return entries_[lane].events; }
  LaneProgress& progress(std::size_t lane) noexcept { return entries_[lane].progress; }
  LaneTroubles& troubles(std::size_t lane) noexcept { return entries_[lane].troubles; }
  AwakeLanes& awake() noexcept { return head_->awake; }
  BusyBudget& busy_budget() noexcept { return head_->busy_budget; }

  // The main thread writes them, and lanes decide by them (stages/message/send_room.h).
  std::span<SendPressure> send_pressure() noexcept { return {pressure_, sockets_}; }
  ReachMap& reach() noexcept { return *reach_; }
  SendOutlook send_outlook() noexcept { return {send_pressure(), *reach_}; }

  // Calls `each` for every event that a lane has reported; returns the number of events lost.
  std::uint64_t take_events(const std::function<void(const std::string& lane, const Event&)>& each);
  // How far each lane has come, and whether it waits.
  std::vector<LanePulse> pulses() const;
  std::size_t lanes() const noexcept { return names_.size(); }
  const std::string& name(std::size_t lane) const noexcept { return names_[lane]; }

  // Ends receiving: `stop_event` becomes readable for good. `stop_reading`: at once, whatever the
  // sockets hold.
  void stop_receiving(bool stop_reading) noexcept;
  int stop_event() const noexcept { return stop_event_; }
  const StopReading& stop_reading() const noexcept { return head_->stop_reading; }

 private:
  struct Head {
    Head(unsigned busy_rate, unsigned cpus, std::span<AwakeLanes::Word> awake_bits)
        : awake(cpus, awake_bits), busy_budget(busy_rate) {}
    AwakeLanes awake;
    StopReading stop_reading;
    BusyBudget busy_budget;
  };
  static_assert(alignof(StopReading) == 64 && alignof(BusyBudget) == 64,
                "what is written often shares no line with what is only read");
  struct alignas(64) Entry {
    EventRing events;
    LaneProgress progress;
    LaneTroubles troubles;
  };

  std::span<AwakeLanes::Word> make_awake_bits() noexcept;

  const std::vector<std::string> names_;
  const std::size_t sockets_;
  Memory head_memory_;
  Memory awake_memory_;
  Memory entry_memory_;
  Memory pressure_memory_;
  Memory reach_memory_;
  Head* head_;
  Entry* entries_;
  SendPressure* pressure_;
  ReachMap* reach_;
  int stop_event_;
};

}  // namespace cpss
