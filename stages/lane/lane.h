// A lane: a thread that repeats steps and waits in one place when none of them finds work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <pthread.h>

#include "queue/semaphore.h"
#include "stages/lane/progress.h"
#include "stages/lane/spin.h"
#include "stages/lane/step.h"

namespace cpss {

struct LaneOptions {
  std::string name;  // at most 15 characters, shown by ps -L and top -H
  // The CPUs the lane may run on. If the process may use none of them (a cpuset has shrunk,
  // cpuset(7)), or if the list is empty: the CPUs of the thread that starts the lane.
  std::vector<unsigned> cpus;
  // Priority in SCHED_FIFO, sched(7); none: the scheduling class of the process.
  std::optional<unsigned> real_time_priority = {};
  std::uint64_t spin_ns = 0;    // how long to look again before it waits (spin.h)
  AwakeLanes* awake = nullptr;  // the server's; null: this lane is not counted and does not spin
  std::size_t number = 0;       // of this lane in `awake`
  LaneProgress* progress = nullptr;  // null: not watched
};

class Lane {
 public:
  // The caller owns the steps and the place; they outlive the lane.
  Lane(LaneOptions options, std::vector<Step*> steps, WaitPlace& place);
  ~Lane();  // must have been joined, or never started
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // Throws std::system_error if no thread can be created or the real-time class is not permitted
  // (EPERM), and std::bad_alloc.
  void start();
  // Runs the lane in the calling thread, which takes on the lane's CPUs and class, until the lane
  // ends. The caller provides as much stack as a thread of ours has (stack.h). Throws as start()
  // does.
  void run_here();
  // Waits for the lane's end. False: it has not ended by the deadline.
  bool join(Deadline deadline);

 private:
  static void* enter(void* lane) noexcept;
  void run() noexcept;
  bool wait(const RunResult& round) noexcept;

  LaneOptions options_;
  std::vector<Step*> steps_;
  WaitPlace& place_;
  Semaphore ended_;
  std::optional<pthread_t> thread_;
};

}  // namespace cpss
