// Lanes that share the server's sockets and listen one at a time (queue/listener_turn.h): what each
// does about the turn.
//
//   ListeningStep   runs the lane's receive step while the lane has the turn
//   PassingStep     stands between receive and service: passes the turn on, then goes on with the
//                   messages
//   TurnWait        where the lane waits: for datagrams while it has the turn, else for the turn
//
// One of each per lane, called by its thread alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "queue/listener_turn.h"
#include "queue/slot_pool.h"
#include "stages/lane/failed_waits.h"
#include "stages/lane/lane_context.h"
#include "stages/lane/step.h"
#include "stages/lane/wait.h"
#include "stages/message/helping.h"
#include "stats/writer.h"

namespace cpss {

// What a lane knows of the turn.
struct TurnSeat {
  ListenerTurn& turn;
  std::uint32_t lane;   // its own number
  std::uint32_t limit;  // messages that it receives before it passes the turn on
  // Starts the thread of another lane, after it has joined its last one. Returns 0, or the errno
  // that says why there is none to be had (EBUSY: the last one has not ended); ECANCELED: it is not
  // tried now.
  std::function<int(std::uint32_t lane)> start;
};

// A lane could not be started: counts it and says so. The ring and the troubles are of a lane that
// the caller speaks for.
void report_not_started(int error, StatsWriter& stats, EventRing& events,
                        LaneTroubles& troubles) noexcept;
// Counts where the turn has gone.
void book_hand_over(const HandOver& goes, StatsWriter& stats) noexcept;

class PassingStep final : public HelpedStep {
 public:
  // `next`: what the messages are for. `stats`: of the lane's receive step.
  PassingStep(const TurnSeat& seat, HelpedStep& next, StatsWriter stats, LaneContext& lane) noexcept
      : seat_(seat), next_(next), stats_(stats), lane_(lane) {}

  std::span<const std::uint32_t> help(std::span<const std::uint32_t> slots,
                                      std::uint64_t begin_ns) noexcept override;
  std::size_t most_helped() const noexcept override { return seat_.limit; }

 private:
  // Returns where the turn has gone.
  TurnGoes pass(std::uint32_t messages) noexcept;

  const TurnSeat& seat_;
  HelpedStep& next_;
  StatsWriter stats_;
  LaneContext& lane_;
};

class ListeningStep final : public Step {
 public:
  ListeningStep(const TurnSeat& seat, Step& receive) noexcept : seat_(seat), receive_(receive) {}

  std::size_t run() noexcept override;
  bool may_look_again() const noexcept override {
    return !seat_.turn.has_turn(seat_.lane) || receive_.may_look_again();
  }
  void before_wait() noexcept override { receive_.before_wait(); }

 private:
  const TurnSeat& seat_;
  Step& receive_;
};

class TurnWait final : public WaitPlace {
 public:
  struct Wiring {
    WaitPlace& datagrams;                // where the lane waits while it has the turn
    const Step& sender;                  // blocked_on() is waited for, too
    SlotPool& pool;                      // once closed (a forced end) the lane ends
    int turn_event;                      // the lane's, as `turn` knows it
    int stop_event;                      // as in ReceiveWait
    std::chrono::milliseconds idle_end;  // after so long without the turn the lane may end
  };

  TurnWait(const TurnSeat& seat, const Wiring& wiring, StatsWriter stats,
           LaneContext& lane) noexcept
      : seat_(seat), w_(wiring), stats_(stats), failed_waits_(lane, stats, wiring.stop_event) {}

  bool wait() noexcept override;

 private:
  // Until something comes; false: nothing did, for idle_end.
  bool sleep() noexcept;

  const TurnSeat& seat_;
  Wiring w_;
  StatsWriter stats_;
  FailedWaits failed_waits_;
  bool stopping_ = false;
};

}  // namespace cpss
