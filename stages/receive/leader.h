// The steps and the wait place of lanes that share the server's sockets and listen one at a time
// (queue/leader_token.h).
//
//   LeaderStep      runs the lane's receive step while the lane is the leader
//   PromotingStep   stands between receive and service: promotes another lane, then goes on with
//                   the messages
//   LeaderWait      where the lane waits: for datagrams while it is the leader, else for the token
//
// One of each per lane, called by its thread alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "queue/leader_token.h"
#include "queue/slot_pool.h"
#include "stages/lane/failed_waits.h"
#include "stages/lane/lane_context.h"
#include "stages/lane/step.h"
#include "stages/lane/wait.h"
#include "stages/message/inline_dispatch.h"
#include "stats/writer.h"

namespace cpss {

// What a lane knows of the token.
struct LeaderSeat {
  LeaderToken& token;
  std::uint32_t lane;   // its own number
  std::uint32_t limit;  // messages that it receives before it promotes another lane
  // Starts the thread of another lane, after it has joined that lane's last one. Returns 0, or the
  // errno that says why there is none (EBUSY: the last one has not ended); ECANCELED: the group
  // does not try to start one now.
  std::function<int(std::uint32_t lane)> start;
};

// Counts and reports that a lane could not be started. The ring and the troubles belong to the lane
// for which the caller speaks.
void report_not_started(int error, StatsWriter& stats, EventRing& events,
                        LaneTroubles& troubles) noexcept;
// Counts where the token has gone, and the wake-ups that it took.
void book_promotion(const Promotion& goes, StatsWriter& stats) noexcept;

class PromotingStep final : public InlineStep {
 public:
  // `next`: the step that gets the messages. `stats`: of the lane's receive step.
  PromotingStep(const LeaderSeat& seat, InlineStep& next, StatsWriter stats,
                LaneContext& lane) noexcept
      : seat_(seat), next_(next), stats_(stats), lane_(lane) {}

  std::span<const std::uint32_t> run_inline(std::span<const std::uint32_t> slots,
                                            std::uint64_t begin_ns) noexcept override;
  std::size_t max_inline() const noexcept override { return seat_.limit; }

 private:
  // Returns where the token has gone.
  TokenGoes promote(std::uint32_t messages) noexcept;

  const LeaderSeat& seat_;
  InlineStep& next_;
  StatsWriter stats_;
  LaneContext& lane_;
};

class LeaderStep final : public Step {
 public:
  LeaderStep(const LeaderSeat& seat, Step& receive) noexcept : seat_(seat), receive_(receive) {}

  RunResult run() noexcept override;
  void before_wait() noexcept override { receive_.before_wait(); }

  // The lane was the leader in the last run(), and has looked at the sockets.
  bool led() const noexcept { return led_; }

 private:
  const LeaderSeat& seat_;
  Step& receive_;
  bool led_ = false;
};

class LeaderWait final : public WaitPlace {
 public:
  struct Wiring {
    WaitPlace& datagrams;                // where the lane waits while it is the leader
    const LeaderStep& leading;           // the lane's
    SlotPool& pool;                      // once closed (a forced end) the lane ends
    int token_event;                     // the lane's, as `token` knows it
    int stop_event;                      // as in ReceiveWait
    std::chrono::milliseconds idle_end;  // the lane may end after so long without the token
  };

  LeaderWait(const LeaderSeat& seat, const Wiring& wiring, StatsWriter stats,
             LaneContext& lane) noexcept
      : seat_(seat), w_(wiring), stats_(stats), failed_waits_(lane, stats, wiring.stop_event) {}

  bool wait(const RunResult& last) noexcept override;

 private:
  // Sleeps until there may be something to do. `full`: as in RunResult. False: nothing came for
  // idle_end.
  bool sleep(const DatagramSocket* full) noexcept;

  const LeaderSeat& seat_;
  Wiring w_;
  StatsWriter stats_;
  FailedWaits failed_waits_;
  bool stopping_ = false;
};

}  // namespace cpss
