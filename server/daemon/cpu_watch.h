// Notices that lanes may no longer use any of the CPUs they were given: a cpuset has shrunk under
// the running server (cpuset(7)). The kernel lets running lanes go on with the CPUs that the
// process still has, and so do lanes that are started later (stages/lane/lane.h). CpuWatch says so
// in the log, and in the troubles of the lanes.
//
// Main thread, whose own affinity is that of the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "server/pipeline/assignment.h"
#include "server/pipeline/scoreboard.h"

namespace cpss {

class CpuWatch {
 public:
  explicit CpuWatch(const Assignment& assignment);

  // To be called several times a second; asks the kernel once a second. `now_ns`: base/clock.h.
  // Returns a line for the log if further lanes have lost all their CPUs, else nothing.
  std::string look(Scoreboard& scoreboard, std::uint64_t now_ns);
  // The same, with the CPUs that the process may use as the kernel has told them.
  std::string look(Scoreboard& scoreboard, const std::vector<unsigned>& usable);

 private:
  struct Lane {
    std::vector<unsigned> cpus;  // given; empty: all
    bool gone = false;           // none of them may be used
  };
  std::vector<Lane> lanes_;  // transient lanes: as if no CPUs were given
  bool asks_ = false;        // some lane was given CPUs
  std::uint64_t next_ns_ = 0;
};

}  // namespace cpss
