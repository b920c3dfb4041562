// Whether the lane has to share its CPU: while it runs, it waits about as long for a CPU as it has
// one (/proc/thread-self/schedstat, proc(5); Documentation/scheduler/sched-stats.rst). So other
// programs, the clients perhaps, or other lanes have the CPUs, and one lane less would do: what it
// runs, another lane would run with fewer switches.
//
// Only a lane that sleeps now and then is asked: one that never finds nothing to do is needed.
//
// One object per lane, used by its thread alone. Costs about 2 us a millisecond.
#pragma once

#include <cstdint>

#include "base/file_descriptor.h"

namespace cpss {

class Crowding {
 public:
  // `path`: tests give another one. Where the kernel keeps no such figures no lane is crowded.
  explicit Crowding(const char* path = "/proc/thread-self/schedstat") noexcept : path_(path) {}

  // Looks, unless it has done so less than a millisecond ago. `now_ns`: monotonic_ns(); `cpu_ns`:
  // CPU time of the lane's thread. False: there is nothing new.
  bool look(std::uint64_t now_ns, std::uint64_t cpu_ns) noexcept;
  // As of the last look. Crowded: it waited for a CPU a quarter of the time at least, and more than
  // half as long as it ran (each wake-up is such a wait, too, but a short one). Room: it ran a
  // quarter of the time at least, and waited less than a quarter of that.
  bool crowded() const noexcept { return waited_ns_ > span_ns_ / 4 && 2 * waited_ns_ > ran_ns_; }
  bool has_room() const noexcept { return ran_ns_ > span_ns_ / 4 && 4 * waited_ns_ < ran_ns_; }

 private:
  std::uint64_t total_waited_ns() noexcept;

  const char* path_;
  FileDescriptor file_;
  bool tried_ = false;  // to open it
  std::uint64_t looked_ns_ = 0;
  std::uint64_t total_waited_ = 0;
  std::uint64_t total_cpu_ns_ = 0;
  std::uint64_t waited_ns_ = 0;  // between the last two looks
  std::uint64_t ran_ns_ = 0;
  std::uint64_t span_ns_ = 0;
};

}  // namespace cpss
