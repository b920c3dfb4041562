// Processes that serve message after message: the model `mp` with CPSS_MP=prefork.
//
// The parent starts the processes, and starts them again when they end. It has the sockets, the
// stats region and the scoreboard, and touches no message. Each process is one lane and has a share
// of the slots, in its own memory. A process that is killed loses the messages it held: the parent
// books them and starts another process on the same blocks. It does so at once, except after a
// process that lived for less than 100 ms and counted no message, or if no process can be started:
// then it pauses first (stages/lane/backoff.h). So a process that every message kills is started as
// often as messages come, and other messages have their chance.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/file_descriptor.h"
#include "net/datagram_socket.h"
#include "server/pipeline/assignment.h"
#include "server/pipeline/children.h"
#include "server/pipeline/engine.h"
#include "server/pipeline/lost_messages.h"
#include "server/pipeline/scoreboard.h"
#include "server/processes/data_channel.h"
#include "services/reloadable_data.h"
#include "services/service.h"
#include "stages/lane/backoff.h"
#include "stages/receive/access_control.h"
#include "stats/region.h"

namespace cpss {

class ProcessGroup final : public Engine {
 public:
  // The caller owns service, sockets, access_control and region; they outlive the group.
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
  OlderData older_data() const override;
  // One for each lane, and one for the group. The group is stuck if in every place a process died
  // young, none of their followers has grown old, and no message was ended.
  std::vector<LanePulse> pulses() override;
  std::string why_stuck(std::size_t pulse) override;
  Scoreboard& scoreboard() noexcept override { return scoreboard_; }

 private:
  // The place of one lane, for its processes one after the other.
  struct Place {
    LostMessages ledger;
    DataSender data = DataSender();       // only of a service with data
    std::uint64_t started_ns = 0;         // when the process was started
    std::uint64_t rounds_at_start = 0;    // rounds of the lane until then
    std::uint64_t received_at_start = 0;  // messages received until then
    std::uint64_t ended_at_start = 0;     // messages ended until then
    Backoff failures = Backoff();         // processes that died at once, or could not be started
    bool missing = false;                 // there is no process
    // The last process died young, and the one after it has not yet shown that it will not.
    bool shaky = false;
  };

  // Returns why there is no process, an errno, or 0.
  int start_process(std::size_t lane);
  // In the process. `channel`: its end; invalid: the service has no data.
  void run_process(std::size_t lane, FileDescriptor channel);
  // The process's end of a new channel; invalid: the service has no data. Throws std::system_error.
  FileDescriptor new_channel(Place& place) const;
  // Returns false if `give_up` said so.
  bool wait_until_they_run(const std::function<bool()>& give_up);
  [[noreturn]] void throw_why_not_started(std::size_t lane, ProcessEnd end);
  // The lane's process has come to its first round, so it has everything it needs.
  bool has_run(std::size_t lane) noexcept;
  // Calls book_end_of() for processes that have ended.
  void reap();
  // Books the messages that the process has lost; then its lane is missing, unless the server ends.
  void book_end_of(std::size_t lane, ProcessEnd end);
  void start_missing();
  bool has_ended_messages(const Place& place) const noexcept;
  // Clears `shaky` once the lane's process is old, or has ended a message.
  void note_steady(std::size_t lane, std::uint64_t now) noexcept;

  const PipelineOptions options_;
  const Assignment assignment_;
  Service& service_;
  ReloadableData* const data_;  // of the service; null: it has none
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
