// Processes that serve message after message: the model `mp` with CPSS_MP=prefork.
//
// The parent starts them and starts them again; it has the sockets, the stats region and the
// scoreboard, and touches no message. Each process has a share of the slots, of its own memory, and
// is one lane. One that is killed loses what it held: the parent books that, and starts another one
// on the same blocks. At once, unless the one that died had neither lived for 100 ms nor counted a
// message, or there was no process to be had: then after a pause (stages/lane/backoff.h). So a
// process that each message kills is started as often as messages come, and what else comes has its
// chance.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "net/datagram_socket.h"
#include "server/pipeline/assignment.h"
#include "server/pipeline/children.h"
#include "server/pipeline/engine.h"
#include "server/pipeline/lost_messages.h"
#include "server/pipeline/scoreboard.h"
#include "services/service.h"
#include "stages/lane/backoff.h"
#include "stages/receive/access_control.h"
#include "stats/region.h"

namespace cpss {

class ProcessGroup final : public Engine {
 public:
  // Service, sockets, access_control and region are the caller's and outlive the group.
  ProcessGroup(const PipelineOptions& options, Assignment assignment, Service& service,
               std::vector<DatagramSocket*> sockets, const AccessControl& access_control,
               StatsRegion& region);

  void start() override;
  bool start_unless(const std::function<bool()>& give_up) override;
  bool end(const std::function<bool()>& give_up) override;
  void stop_receiving() override;
  std::uint64_t seize_all() noexcept override;
  bool all_taken() const noexcept override { return children_.running() == 0; }
  void tick() override;
  // Of each lane, and of the group: that is stuck where in every place a process died young, none
  // of their followers has got old, and no message was ended.
  std::vector<LanePulse> pulses() override;
  std::string why_stuck(std::size_t pulse) override;
  Scoreboard& scoreboard() noexcept override { return scoreboard_; }

 private:
  // Of one lane, for its processes one after the other.
  struct Place {
    LostMessages ledger;
    std::uint64_t started_ns = 0;         // when the process was started;
    std::uint64_t rounds_at_start = 0;    // of the lane, and
    std::uint64_t received_at_start = 0;  // messages
    std::uint64_t ended_at_start = 0;     // then
    Backoff failures = Backoff();         // of processes that died at once, or were not to be had
    bool missing = false;                 // there is no process
    // The last process that died had died young, and its follower has not shown yet that it will
    // not.
    bool shaky = false;
  };

  // Returns the errno of fork(2), or 0.
  int start_process(std::size_t lane);
  void run_process(std::size_t lane);
  // False: `give_up` said so.
  bool wait_until_they_run(const std::function<bool()>& give_up);
  [[noreturn]] void throw_why_not_started(std::size_t lane, ProcessEnd end);
  // The lane's process has come to its first round, so it has all that it needs.
  bool has_run(std::size_t lane) noexcept;
  // For those that have ended.
  void reap();
  // Books what the process has lost; then its lane is missing, unless the server ends.
  void book_end_of(std::size_t lane, ProcessEnd end);
  void start_missing();
  bool has_ended_messages(const Place& place) const noexcept;
  // Whether its process has come to be one that will stay.
  void note_steady(std::size_t lane, std::uint64_t now) noexcept;

  const PipelineOptions options_;
  const Assignment assignment_;
  Service& service_;
  const std::vector<DatagramSocket*> sockets_;
  const AccessControl& access_control_;
  StatsRegion& region_;
  Scoreboard scoreboard_;
  Children children_;
  std::vector<Place> places_;  // by lane
  StatsWriter main_;
  Reason lost_for_ = Reason::failed_dead_process;
  std::uint64_t lost_ = 0;  // messages booked since the last seize_all()
  bool ending_ = false;
  bool killed_ = false;  // at a forced end
};

}  // namespace cpss
