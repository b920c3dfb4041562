// Processes that serve message after message: the model `mp` with CPSS_MP=prefork.
//
// The parent starts them and starts them again; it has the sockets, the stats region and the board,
// and touches no message. Each process has a share of the slots, of its own memory, and is one
// lane. One that is killed loses what it held: the parent books that, and starts another one on the
// same blocks.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "net/datagram_port.h"
#include "server/assignment.h"
#include "server/board.h"
#include "server/children.h"
#include "server/engine.h"
#include "server/lost_messages.h"
#include "services/service.h"
#include "stages/admission.h"
#include "stats/region.h"

namespace cpss {

class ProcessGroup final : public Engine {
 public:
  // Service, ports, admission and region are the caller's and outlive the group.
  ProcessGroup(const PipelineOptions& options, Assignment assignment, Service& service,
               std::vector<DatagramPort*> ports, const Admission& admission, StatsRegion& region);

  void start() override;
  bool end(const std::function<bool()>& give_up) override;
  void stop_receiving() override;
  std::uint64_t seize_all() noexcept override;
  bool all_taken() const noexcept override { return children_.running() == 0; }
  void tick() override;
  Board& board() noexcept override { return board_; }

 private:
  struct Missing {
    std::size_t lane;
    std::chrono::steady_clock::time_point not_before;
  };

  // Returns the errno of fork(2), or 0.
  int start_process(std::size_t lane);
  void run_process(std::size_t lane);
  void wait_until_they_run();
  [[noreturn]] void throw_why_not_started(std::size_t lane);
  // The lane's process has come to its first round, so it has all that it needs.
  bool has_run(std::size_t lane) noexcept;
  // For those that have ended.
  void reap();
  // Books what the process has lost; then its lane is missing, unless the server ends.
  void book_end_of(std::size_t lane, ProcessEnd end);
  void start_missing();

  const PipelineOptions options_;
  const Assignment assignment_;
  Service& service_;
  const std::vector<DatagramPort*> ports_;
  const Admission& admission_;
  StatsRegion& region_;
  Board board_;
  Children children_;
  std::vector<LostMessages> books_;             // by lane
  std::vector<std::uint64_t> rounds_at_start_;  // of each lane's process
  std::vector<Missing> missing_;                // lanes without a process
  StatsWriter main_;
  Reason lost_for_ = Reason::failed_dead_process;
  std::uint64_t lost_ = 0;  // messages booked since the last seize_all()
  bool ending_ = false;
  bool killed_ = false;  // at a forced end
};

}  // namespace cpss
